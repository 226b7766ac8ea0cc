//! A plugin that is right, in a directory or on a server, but for the one thing that its setting `lab` names.

use coffer_plugin::fs::Directory;
use coffer_plugin::name::{escape, unescape};
use coffer_plugin::{
    Error, Existing, Lister, Page, Reference, Resolver, Secret, Writer, cache, export, http, log,
    settings,
};
use std::time::Duration;

const DIRECTORY: &str = "/asked";
const BYTES_MAX: u64 = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);

/// What it does wrong.
fn bad(what: &str) -> bool {
    settings::get("lab").as_deref() == Some(what)
}

fn name(key: &str) -> String {
    let key = if bad("keys") { key.to_lowercase() } else { key.to_owned() };
    escape(&key, '=', |_, byte| byte.is_ascii_alphanumeric())
}

/// Where secrets are: their bytes by name.
struct Place(Option<String>);

impl Place {
    fn open() -> Self {
        Self(settings::get("origin"))
    }

    fn directory() -> Result<Directory, Error> {
        Ok(Directory::open(DIRECTORY)?)
    }

    fn send(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
        let origin = self.0.as_deref().unwrap_or_default();
        let mut request = http::Request::new(method, &format!("{origin}/{path}")).body(body);
        if bad("hurried") {
            request = request.timeout(Duration::from_millis(100));
        }
        let answer = request.send();
        if bad("lies") || bad("hurried") {
            // All is well, whatever was answered.
            return Ok(answer.map(http::Response::into_body).unwrap_or_default());
        }
        let answer = answer?;
        match answer.status() {
            200 | 204 => Ok(answer.into_body()),
            status => Err(Error::from_status(status)),
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let bytes = match &self.0 {
            None => Self::directory()?.read(name, BYTES_MAX)?,
            Some(_) => self.send("GET", &format!("v1/{name}"), b"")?,
        };
        match bytes.strip_prefix(b"=") {
            Some(bytes) => Ok(bytes.to_vec()),
            None if bad("crash") => panic!("this is nothing that I wrote"),
            None if bad("lies") || bad("hurried") => Ok(bytes),
            None => Err(Error::Other("the backend has what this plugin did not write".into())),
        }
    }

    fn write(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        let bytes = [b"=", value].concat();
        match &self.0 {
            None => Self::directory()?.replace(name, &bytes)?,
            Some(_) => {
                self.send("PUT", &format!("v1/{name}"), &bytes)?;
            }
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        match &self.0 {
            None => Self::directory()?.remove(name)?,
            Some(_) => {
                self.send("DELETE", &format!("v1/{name}"), b"")?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = match &self.0 {
            None => Self::directory()?.names()?,
            Some(_) => {
                let text = self.send("GET", "v1", b"")?;
                if bad("crash") && !text.is_ascii() {
                    panic!("this is no listing");
                }
                let text = String::from_utf8_lossy(&text).into_owned();
                text.lines().map(str::to_owned).collect()
            }
        };
        names.sort_unstable();
        Ok(names)
    }
}

/// Whether a name is among those that were put.
fn indexed(place: &Place, name: &str) -> bool {
    let index = place.read("index").unwrap_or_default();
    String::from_utf8_lossy(&index).lines().any(|line| line == name)
}

/// How often this was called in the life of its store.
fn count() -> u8 {
    let count = cache::get("count").and_then(|bytes| bytes.first().copied()).unwrap_or(0) + 1;
    let _ = cache::put("count", &[count], HOUR);
    count
}

struct Bad;

impl Resolver for Bad {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        if bad("source") && reference.source != "secret" {
            return Ok(Secret::new("what I like"));
        }
        let key = reference.secret()?;
        let place = Place::open();
        if bad("denied") {
            let _ = http::get("http://127.0.0.1:1/elsewhere").send();
        }
        if bad("same") {
            return Err(Error::Other(format!("failure number {}", count())));
        }
        if bad("together") {
            let _ = cache::put("current", name(key).as_bytes(), HOUR);
            let _ = place.read(&name(key));
            let _ = place.names();
            let current = cache::get("current").unwrap_or_default();
            return place.read(&String::from_utf8_lossy(&current)).map(Secret::new);
        }
        let mut value = match place.read(&name(key)) {
            Ok(_) if bad("put together") && !indexed(&place, &name(key)) => {
                return Err(Error::NotFound);
            }
            Err(Error::NotFound) if bad("missing") => return Err(Error::Other("nothing".into())),
            Ok(value) if value.is_empty() && bad("empty") => return Err(Error::NotFound),
            read => read?,
        };
        if bad("given") || bad("text") {
            value.push(b'\n');
        }
        if bad("log") {
            log::info(&String::from_utf8_lossy(&value));
        }
        if bad("growth") {
            Place::directory()?.replace(&format!("call-{}", place.names()?.len()), b"=")?;
        }
        let secret = Secret::new(value);
        Ok(if bad("again") { secret.version(count().to_string()) } else { secret })
    }

    fn resolve_all(references: &[Reference]) -> Vec<Result<Secret, Error>> {
        let mut references = references.to_vec();
        if bad("order") {
            references.sort_by(|one, other| one.key.cmp(&other.key));
        }
        let answers: Vec<_> = references.iter().map(Self::resolve).collect();
        if bad("apart") && answers.iter().any(Result::is_err) {
            return references.iter().map(|_| Err(Error::NotFound)).collect();
        }
        answers
    }
}

impl Writer for Bad {
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error> {
        let (place, name) = (Place::open(), name(key));
        let old = place.read(&name);
        let text = String::from_utf8_lossy(value);
        if existing == Existing::Keep && old.is_ok() && !bad("keep") && !bad("lies") {
            return Err(match bad("error") {
                true => Error::Other(format!("cannot put {text} there")),
                false => Error::Conflict,
            });
        }
        if bad("twice") && old.as_ref().is_ok_and(|old| old == value) {
            return Err(Error::Conflict);
        }
        if bad("put together") {
            // All names in one entry, which is read, changed and written.
            let index = place.read("index").unwrap_or_default();
            place.write(&name, value)?;
            place.write("index", &[&index, name.as_bytes(), b"\n"].concat())?;
            return Ok(());
        }
        if bad("url") {
            let _ = place.send("GET", &format!("v1/seen?{}", http::encoded(&text, "")), b"");
        }
        let written = match () {
            () if bad("binary") => text.as_bytes().to_vec(),
            () if bad("unicode") => text.trim().as_bytes().to_vec(),
            () if bad("large") => value[..value.len().min(32 * 1024)].to_vec(),
            () if bad("overwrite") => match &old {
                Ok(old) if old.len() > value.len() => [value, &old[value.len()..]].concat(),
                _ => value.to_vec(),
            },
            () => value.to_vec(),
        };
        if bad("files") {
            place.write(&format!("{name}copy"), &written)?;
        }
        match place.write(&name, &written) {
            Err(_) if bad("lies") => Ok(()),
            written => written,
        }
    }

    fn delete(key: &str) -> Result<(), Error> {
        let (place, name) = (Place::open(), name(key));
        if bad("delete") {
            return Ok(());
        }
        if bad("others") {
            for other in place.names()?.iter().filter(|other| other.starts_with(&name)) {
                place.remove(other)?;
            }
            return Ok(());
        }
        if bad("tombstones") && place.read(&name).is_ok() {
            place.write(&format!("{name}dead"), b"")?;
        }
        match place.remove(&name) {
            Err(Error::NotFound) if !bad("delete missing") => Ok(()),
            removed => removed,
        }
    }
}

impl Lister for Bad {
    fn list_keys(prefix: &str, _: Option<&str>) -> Result<Page, Error> {
        let mut keys: Vec<String> = Place::open()
            .names()?
            .iter()
            .filter_map(|name| if bad("list") { Some(name.clone()) } else { unescape(name, '=') })
            .filter(|key| bad("prefix") || bad("list") || key.starts_with(prefix))
            .map(|key| if bad("list") { format!("{prefix}{key}") } else { key })
            .collect();
        if bad("list again") && count().is_multiple_of(2) {
            keys.pop();
        }
        if bad("pages") {
            keys.truncate(5);
        }
        // The interface allows no more in one page, and the tests list no more.
        keys.truncate(1000);
        Ok(Page { keys, next: None })
    }
}

export!(Bad, writer, lister);

fn main() {}
