//! Asks the fakes.

use crate::bindings::wasi::logging::logging::Level;
use crate::fake::{self, with};
use crate::{cache, commands, fs, http};

pub(crate) fn setting(name: &str) -> Option<String> {
    with(|world| world.settings.get(name).cloned())
}

pub(crate) fn variable(name: &str) -> Option<String> {
    with(|world| world.variables.get(name).cloned())
}

pub(crate) fn log(_level: Level, message: &str) {
    with(|world| world.log.push(message.to_owned()));
}

pub(crate) fn cache_get(key: &str) -> Option<Vec<u8>> {
    with(|world| world.cache.get(key).cloned())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature as on wasm, where the host can refuse"
)]
pub(crate) fn cache_put(key: &str, value: &[u8], _ttl_ms: u64) -> Result<(), cache::Error> {
    with(|world| world.cache.insert(key.to_owned(), value.to_vec()));
    Ok(())
}

pub(crate) fn cache_remove(key: &str) {
    with(|world| world.cache.remove(key));
}

pub(crate) fn command(argv: &[String]) -> Result<Vec<u8>, commands::Error> {
    let answer = with(|world| world.commands.clone());
    answer.map_or(Err(commands::Error::Denied), |answer| answer(argv))
}

#[expect(clippy::needless_pass_by_value, reason = "the one for wasm hands it over")]
pub(crate) fn http_send(request: http::Request) -> Result<http::Response, http::Error> {
    let answer = with(|world| world.http.clone());
    answer.map_or(Err(http::Error::Denied), |answer| answer(&request))
}

pub(crate) fn http_send_all(
    requests: Vec<http::Request>,
) -> Vec<Result<http::Response, http::Error>> {
    requests.into_iter().map(http_send).collect()
}

pub(crate) fn directories() -> Vec<String> {
    with(|world| world.directories.keys().cloned().collect())
}

#[derive(Debug)]
pub(crate) struct Directory(String);

impl Directory {
    pub(crate) fn open(guest_path: &str) -> Option<Self> {
        with(|world| world.directories.contains_key(guest_path))
            .then(|| Self(guest_path.to_owned()))
    }

    fn files<R>(&self, act: impl FnOnce(&mut fake::Files) -> R) -> R {
        with(|world| act(world.directories.entry(self.0.clone()).or_default()))
    }

    pub(crate) fn read(&self, name: &str, bytes_max: u64) -> Result<Vec<u8>, fs::Error> {
        let bytes = self.files(|files| files.get(name).cloned()).ok_or(fs::Error::NotFound)?;
        if bytes.len() as u64 > bytes_max {
            return Err(fs::Error::TooLarge(bytes_max));
        }
        Ok(bytes)
    }

    pub(crate) fn read_following(&self, path: &str, bytes_max: u64) -> Result<Vec<u8>, fs::Error> {
        self.read(path, bytes_max)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8], replace: bool) -> Result<(), fs::Error> {
        self.files(|files| {
            if !replace && files.contains_key(name) {
                return Err(fs::Error::Exists);
            }
            files.insert(name.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), fs::Error> {
        self.files(|files| files.remove(name)).map(|_| ()).ok_or(fs::Error::NotFound)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the same signature as on wasm, where the host can refuse"
    )]
    pub(crate) fn names(&self) -> Result<Vec<String>, fs::Error> {
        Ok(self.files(|files| files.keys().cloned().collect()))
    }
}
