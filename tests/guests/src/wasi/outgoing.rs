//! Requests through `wasi:http`, put together as a guest in another language does.

use super::wasi::http::outgoing_handler;
use super::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, Scheme,
};
use std::fmt;

/// The target of a request. What is absent is not set.
#[derive(Default)]
pub struct Target<'a> {
    pub method: Option<&'a str>,
    pub scheme: Option<&'a str>,
    pub authority: Option<&'a str>,
    pub path: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// A GET of an absolute URL.
    #[must_use]
    pub fn of(url: &'a str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self { method: None, scheme: Some(scheme), authority: Some(authority), path: Some(path) }
    }
}

/// What became of a request.
pub enum Outcome {
    Answer(IncomingResponse),
    Failed(ErrorCode),
    /// The engine did not take a part of it.
    NotARequest(&'static str),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(response) => write!(f, "status {}", response.status()),
            Self::Failed(code) => write!(f, "{code:?}"),
            Self::NotARequest(part) => write!(f, "no such {part}"),
        }
    }
}

/// Sends a request without a body and waits.
#[must_use]
pub fn send(method: &str, url: &str, headers: &[(&str, &str)]) -> Outcome {
    send_to(&Target { method: Some(method), ..Target::of(url) }, headers, None)
}

/// Sends a request and waits.
#[must_use]
pub fn send_to(target: &Target<'_>, headers: &[(&str, &str)], body: Option<&[u8]>) -> Outcome {
    let future = match begin(target, headers, body) {
        Ok(future) => future,
        Err(outcome) => return outcome,
    };
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(response))) => Outcome::Answer(response),
        Some(Ok(Err(code))) => Outcome::Failed(code),
        Some(Err(())) | None => Outcome::NotARequest("answer"),
    }
}

/// Sends a request.
///
/// # Errors
///
/// The part of it that was not taken.
pub fn begin(
    target: &Target<'_>,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Result<FutureIncomingResponse, Outcome> {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).map_err(|_| Outcome::NotARequest("header"))?;
    }
    let request = OutgoingRequest::new(fields);
    let set = |done: Result<(), ()>, part| done.map_err(|()| Outcome::NotARequest(part));
    if let Some(method) = target.method {
        set(request.set_method(&self::method(method)), "method")?;
    }
    if let Some(scheme) = target.scheme {
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => Scheme::Other(other.to_owned()),
        };
        set(request.set_scheme(Some(&scheme)), "scheme")?;
    }
    if let Some(authority) = target.authority {
        set(request.set_authority(Some(authority)), "authority")?;
    }
    if let Some(path) = target.path {
        set(request.set_path_with_query(Some(path)), "path")?;
    }
    let out = match body {
        Some(_) => Some(request.body().map_err(|()| Outcome::NotARequest("body"))?),
        None => None,
    };
    let future = outgoing_handler::handle(request, None).map_err(Outcome::Failed)?;
    if let (Some(out), Some(bytes)) = (out, body) {
        {
            let stream = out.write().map_err(|()| Outcome::NotARequest("body"))?;
            stream.blocking_write_and_flush(bytes).map_err(|_| Outcome::NotARequest("body"))?;
        }
        let trailers = Fields::new();
        trailers.append("x-trailer", b"sent").map_err(|_| Outcome::NotARequest("trailer"))?;
        OutgoingBody::finish(out, Some(trailers)).map_err(Outcome::Failed)?;
    }
    Ok(future)
}

/// Everything that is shown of an answer.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "the response is dropped when it was read")]
pub fn read(response: IncomingResponse) -> String {
    let status = response.status();
    let shown = |fields: &Fields| {
        let entries = fields.entries().into_iter();
        entries
            .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(&value)))
            .collect::<String>()
    };
    let headers = shown(&response.headers());
    let Ok(body) = response.consume() else { return "no body".into() };
    let mut bytes = Vec::new();
    if let Ok(stream) = body.stream() {
        while let Ok(more) = stream.blocking_read(4096) {
            bytes.extend(more);
        }
    }
    let future = IncomingBody::finish(body);
    future.subscribe().block();
    let trailers = match future.get() {
        Some(Ok(Ok(Some(trailers)))) => shown(&trailers),
        other => format!("{}", other.is_some()),
    };
    format!("{status}\n{headers}\n{}\n{trailers}", String::from_utf8_lossy(&bytes))
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "CONNECT" => Method::Connect,
        "TRACE" => Method::Trace,
        other => Method::Other(other.to_owned()),
    }
}
