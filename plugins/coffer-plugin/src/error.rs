//! Making an [`Error`] from what usually goes wrong.

use crate::{Error, commands, fs, http};

impl Error {
    /// The error that an HTTP status stands for at most backends: 401 is
    /// [`Unauthenticated`](Error::Unauthenticated), 403 [`AccessDenied`](Error::AccessDenied), 404 and
    /// 410 [`NotFound`](Error::NotFound), 409 and 412 [`Conflict`](Error::Conflict), 408, 429 and 5xx
    /// [`Unavailable`](Error::Unavailable), anything else [`Other`](Error::Other).
    #[must_use]
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::AccessDenied,
            404 | 410 => Self::NotFound,
            409 | 412 => Self::Conflict,
            408 | 429 | 500..=599 => Self::Unavailable(None),
            other => Self::Other(format!("the backend answered with status {other}")),
        }
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        use http::Error as E;
        match error {
            E::Denied => Self::Other("no grant allows the request".into()),
            E::InvalidRequest(why) => Self::Other(format!("the request is invalid: {why}")),
            E::Unresolved => Self::Unavailable(None),
            E::Unreachable => Self::Unavailable(None),
            E::Tls => Self::Other("the backend's TLS certificate is not trusted".into()),
            E::Timeout => Self::Unavailable(None),
            E::TooLarge(bytes) => Self::Other(format!("the response exceeds {bytes} bytes")),
            E::MalformedResponse => Self::Other("the backend does not speak HTTP".into()),
            E::TooManyRequests => Self::Other("the store's limit of requests is used up".into()),
            E::Other(why) => Self::Other(why),
        }
    }
}

impl From<commands::Error> for Error {
    fn from(error: commands::Error) -> Self {
        use commands::Error as E;
        match error {
            E::Denied => Self::Other("no grant allows the command".into()),
            E::NotFound => Self::Other("there is no such program".into()),
            E::Failed(status) => Self::Other(format!("the command ended with status {status}")),
            E::Timeout => Self::Unavailable(None),
            E::TooLarge(bytes) => Self::Other(format!("the command wrote more than {bytes} bytes")),
            E::Other(why) => Self::Other(why),
        }
    }
}

impl From<fs::Error> for Error {
    fn from(error: fs::Error) -> Self {
        use fs::Error as E;
        match error {
            E::Denied => Self::AccessDenied,
            E::Exists => Self::Conflict,
            E::Full => Self::Other("the disk is full".into()),
            E::NotAFile => Self::Other("there is something else than a regular file".into()),
            E::NotFound => Self::NotFound,
            E::ReadOnly => Self::Other("the file system is read-only".into()),
            E::TooLarge(bytes) => Self::TooLarge(bytes),
            E::Ungranted => Self::Other("no grant covers this path".into()),
            E::Other(why) => Self::Other(why.into()),
        }
    }
}
