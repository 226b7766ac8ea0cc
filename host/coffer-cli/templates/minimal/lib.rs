//! Resolves secrets from environment variables. It sees those that its operator grants, and no others.

use coffer_plugin::{Error, Reference, Resolver, Secret, env, export};

struct Plugin;

impl Resolver for Plugin {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        let name = reference.secret()?;
        let value = env::var(name).ok_or(Error::NotFound)?;
        Ok(Secret::new(value))
    }
}

export!(Plugin);

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_plugin::fake;

    fn resolve(source: &str, key: &str) -> Result<Secret, Error> {
        Plugin::resolve(&Reference { source: source.into(), key: key.into() })
    }

    #[test]
    fn a_granted_variable_is_resolved_and_nothing_else() {
        fake::variable("DB_PASSWORD", "hunter2");
        assert_eq!(resolve("secret", "DB_PASSWORD").unwrap().expose(), b"hunter2");
        assert!(matches!(resolve("secret", "PATH"), Err(Error::NotFound)));
        assert!(matches!(resolve("env", "DB_PASSWORD"), Err(Error::Unsupported(_))));
    }
}
