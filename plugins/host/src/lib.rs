//! Resolves what the host itself has: the sources `env`, `path`, `command` and `value` of Porter's
//! protocol. It keeps nothing, so it exports no writer.
//!
//! Values are returned byte for byte; a newline at the end of a file or of a command's output is part
//! of the value, as it is in Porter.

mod words;

use coffer_plugin::{Error, Reference, Resolver, Secret, commands, env, export, fs};

/// Bytes of a file. The host has a smaller limit unless the operator raised it; this one keeps a file
/// that is no secret from filling the guest's memory.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

struct Host;

impl Resolver for Host {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        let key = reference.key.as_str();
        match reference.source.as_str() {
            "command" => command(key),
            "env" => env::var(key).map(Secret::new).ok_or(Error::NotFound),
            "path" => path(key),
            "value" => Ok(Secret::new(key)),
            other => Err(Error::Unsupported(format!(
                "the host plugin resolves the sources command, env, path and value, not `{other}`"
            ))),
        }
    }
}

fn path(key: &str) -> Result<Secret, Error> {
    let path = words::expand(key, env::var).map_err(Error::InvalidReference)?;
    if !path.starts_with('/') {
        return Err(Error::InvalidReference(format!("the path {path} is not absolute")));
    }
    match fs::read(&path, FILE_BYTES_MAX) {
        Ok(bytes) => Ok(Secret::new(bytes)),
        Err(fs::Error::Ungranted) => {
            Err(Error::Other(format!("no granted directory covers {path}")))
        }
        Err(error) => Err(error.into()),
    }
}

fn command(key: &str) -> Result<Secret, Error> {
    let argv = words::split(key).map_err(Error::InvalidReference)?;
    Ok(Secret::new(commands::run(&argv)?))
}

export!(Host);

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_plugin::fake;

    fn resolve(source: &str, key: &str) -> Result<String, String> {
        let reference = Reference { source: source.into(), key: key.into() };
        match Host::resolve(&reference) {
            Ok(secret) => Ok(String::from_utf8(secret.expose().to_vec()).unwrap()),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    #[test]
    fn each_source_is_resolved() {
        fake::variable("TOKEN", "t");
        fake::variable("EMPTY", "");
        fake::variable("HOME", "/home/me");
        fake::file("/home/me/.kube", "config", "kube\n");
        fake::commands(|argv| Ok(argv.join("|").into_bytes()));
        assert_eq!(resolve("env", "TOKEN").unwrap(), "t");
        assert_eq!(resolve("env", "EMPTY").unwrap(), "");
        assert_eq!(resolve("value", "literal").unwrap(), "literal");
        assert_eq!(resolve("path", "/home/me/.kube/config").unwrap(), "kube\n");
        assert_eq!(resolve("path", "~/.kube/config").unwrap(), "kube\n");
        assert_eq!(resolve("path", "${HOME}/.kube/config").unwrap(), "kube\n");
        assert_eq!(resolve("command", "pass  show 'my db'").unwrap(), "pass|show|my db");
    }

    #[test]
    fn what_is_missing_or_refused_is_said() {
        fake::file("/granted", "big", "");
        for (source, key, expected) in [
            ("env", "ABSENT", "NotFound"),
            ("path", "/granted/absent", "NotFound"),
            ("path", "/elsewhere/file", "no granted directory covers /elsewhere/file"),
            ("path", "relative", "is not absolute"),
            ("path", "$ABSENT/x", "ABSENT is not set or not granted"),
            ("command", "'unfinished", "quotation mark is not closed"),
            ("command", "pass", "no grant allows the command"),
            ("secret", "x", "Unsupported"),
            ("ENV", "x", "Unsupported"),
        ] {
            let error = resolve(source, key).unwrap_err();
            assert!(error.contains(expected), "{source} {key}: {error}");
        }
    }
}
