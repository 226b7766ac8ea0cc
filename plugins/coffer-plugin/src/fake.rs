//! Stands in for the host in native tests. Everything is empty and denies until a test says otherwise,
//! and belongs to the thread, so that tests do not see each other.
//!
//! ```
//! use coffer_plugin::{fake, http, settings};
//!
//! fake::setting("address", "https://vault.example");
//! fake::http(|request| match request.url() {
//!     "https://vault.example/health" => Ok(http::Response::new(200, "well")),
//!     _ => Err(http::Error::Denied),
//! });
//!
//! let url = settings::required("address").unwrap() + "/health";
//! assert_eq!(http::get(&url).send().unwrap().body(), b"well");
//! ```

use crate::{commands, http};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

pub(crate) type Files = BTreeMap<String, Vec<u8>>;
type Answer<Q, A> = Option<Rc<dyn Fn(&Q) -> A>>;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) cache: BTreeMap<String, Vec<u8>>,
    pub(crate) directories: BTreeMap<String, Files>,
    pub(crate) http: Answer<http::Request, Result<http::Response, http::Error>>,
    pub(crate) commands: Answer<[String], Result<Vec<u8>, commands::Error>>,
    pub(crate) log: Vec<String>,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

pub(crate) fn with<R>(act: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(act)
}

/// Sets a setting.
pub fn setting(name: &str, value: &str) {
    with(|world| world.settings.insert(name.into(), value.into()));
}

/// Grants and sets an environment variable.
pub fn variable(name: &str, value: &str) {
    with(|world| world.variables.insert(name.into(), value.into()));
}

/// Grants an empty directory.
pub fn directory(guest_path: &str) {
    with(|world| world.directories.insert(guest_path.into(), Files::new()));
}

/// Puts a file into a granted directory, by its path below it.
pub fn file(guest_path: &str, path: &str, bytes: impl Into<Vec<u8>>) {
    with(|world| {
        let files = world.directories.entry(guest_path.into()).or_default();
        files.insert(path.into(), bytes.into());
    });
}

/// Answers every HTTP request.
pub fn http(answer: impl Fn(&http::Request) -> Result<http::Response, http::Error> + 'static) {
    with(|world| world.http = Some(Rc::new(answer)));
}

/// Answers every command.
pub fn commands(answer: impl Fn(&[String]) -> Result<Vec<u8>, commands::Error> + 'static) {
    with(|world| world.commands = Some(Rc::new(answer)));
}

/// What was logged so far.
#[must_use]
pub fn log() -> Vec<String> {
    with(|world| world.log.clone())
}
