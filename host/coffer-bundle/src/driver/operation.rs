//! What one run is given. All of it is looked at before anything runs.

use super::error::shown;
use super::{DriverError, limits};
use coffer_host::Secret;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// Where outputs are.
pub(super) const OUTPUTS: &str = "/cnab/app/outputs";
/// The entry point, as CNAB has it.
pub(super) const ENTRY_POINT: &str = "/cnab/app/run";

/// What one run of a bundle's entry point is given. `Debug` shows no value.
#[derive(Clone)]
pub struct Operation {
    /// What the bundle is to do: `install`, `upgrade`, `uninstall` or an action of its own.
    pub action: String,
    /// The name of the installation.
    pub installation: String,
    /// The namespace of the installation.
    pub namespace: String,
    /// The id of the run (a ULID), which is CNAB's revision.
    pub run: String,
    /// The `bundle.json`.
    pub bundle: Value,
    /// What is run.
    pub image: Image,
    /// The parameters with their types. Only external drivers are given them.
    pub parameters: BTreeMap<String, Value>,
    /// The variables that parameters and credentials go to.
    pub environment: BTreeMap<String, Secret>,
    /// The files that parameters and credentials go to, by absolute path, and CNAB's own files.
    pub files: BTreeMap<String, Secret>,
    /// The names of the outputs by absolute path.
    pub outputs: BTreeMap<String, String>,
}

/// The image with a bundle's entry point.
#[derive(Clone)]
pub struct Image {
    /// What sort of image it is: `wasm`, `docker`, `oci`, or what an external driver knows.
    pub kind: String,
    /// Where it comes from.
    pub reference: String,
    /// The digest that pins it, as `sha256:..`.
    pub digest: Option<String>,
    /// The component, for `wasm`.
    pub content: Option<Vec<u8>>,
}

/// Names that programs take as orders to themselves: loaders, shells, interpreters, and the docker CLI.
/// One that ends in `*` stands for all that begin so. Native drivers have the variables of the bundle in
/// their own environment, and a default value in a `bundle.json` must not order them about.
pub const RESERVED: &[&str] = &[
    // Where programs, libraries and their settings are found.
    "DYLD_*",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "HOME",
    "LD_*",
    "LOCPATH",
    "MALLOC_*",
    "NLSPATH",
    "PATH",
    "TMPDIR",
    "XDG_*",
    // What shells run or split by.
    "BASHOPTS",
    "BASH_*",
    "CDPATH",
    "ENV",
    "GLOBIGNORE",
    "IFS",
    "PROMPT_COMMAND",
    "PS4",
    "SHELL",
    "SHELLOPTS",
    "ZDOTDIR",
    // What interpreters load.
    "CLASSPATH",
    "GODEBUG",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5DB",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "PYTHON*",
    "RUBYLIB",
    "RUBYOPT",
    "_JAVA_OPTIONS",
    // Whom the docker CLI and its kin talk to, and what they run on the way.
    "ALL_PROXY",
    "BUILDKIT_*",
    "CONTAINERS_*",
    "CONTAINER_*",
    "DOCKER_*",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "OTEL_*",
    "REGISTRY_AUTH_FILE",
    "SSH_*",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "STORAGE_*",
];

/// What the driver itself tells the entry point.
const OWN: [&str; 8] = [
    "CNAB_ACTION",
    "CNAB_BUNDLE_NAME",
    "CNAB_BUNDLE_VERSION",
    "CNAB_INSTALLATION_NAME",
    "CNAB_INSTALLATION_NAMESPACE",
    "CNAB_OUTPUT_DIR",
    "CNAB_REVISION",
    "CNAB_VARS",
];

impl Operation {
    /// Whether names and paths are what they seem and variables are text, for every driver alike.
    pub(super) fn check(&self) -> Result<(), DriverError> {
        if !is_run_id(&self.run) {
            return Err(DriverError::RunId);
        }
        for name in self.environment.keys() {
            if !is_variable(name) {
                return Err(DriverError::EnvironmentName { name: shown(name) });
            }
            if OWN.contains(&name.as_str()) {
                return Err(DriverError::EnvironmentReserved { name: name.clone() });
            }
        }
        for (name, value) in self.variables() {
            if value.is_none_or(|value| value.contains('\0')) {
                return Err(DriverError::EnvironmentNotText { name: name.to_owned() });
            }
        }
        let outside =
            |path: &&String| path.strip_prefix(OUTPUTS).is_none_or(|below| !below.starts_with('/'));
        let odd = self.files.keys().chain(self.outputs.keys()).find(|path| !is_path(path));
        match odd.or_else(|| self.outputs.keys().find(outside)) {
            Some(path) => Err(DriverError::Path { path: shown(path) }),
            None => Ok(()),
        }
    }

    /// Whether a native program can have the variables in its environment.
    pub(super) fn check_native(&self) -> Result<(), DriverError> {
        for name in self.environment.keys() {
            if is_reserved(name) {
                return Err(DriverError::EnvironmentReserved { name: name.clone() });
            }
        }
        for (name, value) in self.variables() {
            if name.len() + value.map_or(0, str::len) > limits::VARIABLE_BYTES_MAX {
                return Err(DriverError::EnvironmentTooLong { name: name.to_owned() });
            }
        }
        Ok(())
    }

    /// What the entry point has in its environment: what the operation says, then what every driver adds.
    /// A value that is no text is absent.
    fn variables(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let bundle = |key: &str| self.bundle.get(key).and_then(Value::as_str).unwrap_or_default();
        let own = [
            ("CNAB_ACTION", self.action.as_str()),
            ("CNAB_BUNDLE_NAME", bundle("name")),
            ("CNAB_BUNDLE_VERSION", bundle("version")),
            ("CNAB_INSTALLATION_NAME", &self.installation),
            ("CNAB_INSTALLATION_NAMESPACE", &self.namespace),
            ("CNAB_REVISION", &self.run),
        ];
        self.environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_text()))
            .chain(own.map(|(name, value)| (name, Some(value))))
    }

    /// The environment of the entry point, after [`Operation::check`].
    pub(super) fn whole_environment(&self) -> BTreeMap<&str, Zeroizing<String>> {
        self.variables()
            .map(|(name, value)| (name, Zeroizing::new(value.unwrap_or_default().to_owned())))
            .collect()
    }
}

/// Whether `run` can be part of a file's and a container's name.
pub(super) fn is_run_id(run: &str) -> bool {
    (1..=limits::RUN_ID_BYTES_MAX).contains(&run.len())
        && run.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// `.` and `-` are for the settings of Java programs. A `,` would be two names in `CNAB_VARS`.
fn is_variable(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    RESERVED.iter().any(|reserved| match reserved.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *reserved,
    })
}

/// Whether `path` is absolute and has one reading.
fn is_path(path: &str) -> bool {
    path.len() <= limits::PATH_BYTES_MAX
        && !path.contains(char::is_control)
        && path.strip_prefix('/').is_some_and(|below| {
            below.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
        })
}

/// Shows names, and of values that there are some.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("action", &self.action)
            .field("installation", &self.installation)
            .field("namespace", &self.namespace)
            .field("run", &self.run)
            .field("image", &self.image)
            .field("parameters", &self.parameters.keys())
            .field("environment", &self.environment)
            .field("files", &self.files)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, reference, digest, content: _ } = self;
        f.debug_struct("Image")
            .field("kind", kind)
            .field("reference", reference)
            .field("digest", digest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shim;
    use super::*;

    #[test]
    fn what_a_bundle_asks_for_is_looked_at_first() {
        let check = |change: fn(&mut Operation), expected: &str| {
            let mut operation = shim::operation();
            change(&mut operation);
            let checked = operation.check().and_then(|()| operation.check_native());
            let message = checked.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(
                message.contains(expected) && message.is_empty() == expected.is_empty(),
                "{message}"
            );
            assert!(!message.contains("canary"), "{message}");
        };
        let canary = || Secret::from("canary");
        check(|_| {}, "");
        check(|o| o.run = "../x".into(), "letters and digits");
        check(|o| o.run = String::new(), "letters and digits");
        check(|o| o.run = "0".repeat(limits::RUN_ID_BYTES_MAX), "");
        check(|o| o.run = "0".repeat(limits::RUN_ID_BYTES_MAX + 1), "letters and digits");
        // Paths.
        let of = |bytes: usize| format!("/{}", "p".repeat(bytes - 1));
        for (bytes, fits) in [(limits::PATH_BYTES_MAX, true), (limits::PATH_BYTES_MAX + 1, false)] {
            let mut operation = shim::operation();
            operation.files.insert(of(bytes), canary());
            assert_eq!(operation.check().is_ok(), fits, "{bytes}");
        }
        // Names.
        for name in ["", "A=B", "A,B", "A B", "9A", "-e", "A\n", "É"] {
            let mut operation = shim::operation();
            operation.environment.insert(name.into(), canary());
            let error = operation.check().unwrap_err();
            assert!(matches!(error, DriverError::EnvironmentName { .. }), "{name}: {error}");
        }
        for name in
            ["BASH_ENV", "PATH", "LD_PRELOAD", "ld_preload", "DOCKER_HOST", "CNAB_OUTPUT_DIR"]
        {
            let mut operation = shim::operation();
            operation.environment.insert(name.into(), canary());
            let checked = operation.check().and_then(|()| operation.check_native());
            let error = checked.unwrap_err();
            assert!(matches!(error, DriverError::EnvironmentReserved { .. }), "{name}: {error}");
        }
        check(|o| drop(o.environment.insert("spring.db-url".into(), "canary".into())), "");
        // Values.
        check(
            |o| drop(o.environment.insert("B".into(), b"canary\xff".to_vec().into())),
            "the value for the variable `B` is not text",
        );
        check(|o| drop(o.environment.insert("B".into(), "canary\0".into())), "`B` is not text");
        check(|o| o.action = "a\0".into(), "`CNAB_ACTION` is not text");
        for (length, expected) in
            [(limits::VARIABLE_BYTES_MAX, false), (limits::VARIABLE_BYTES_MAX - 1, true)]
        {
            let mut operation = shim::operation();
            operation.environment.insert("B".into(), vec![b'x'; length].into());
            assert_eq!(operation.check_native().is_ok(), expected, "{length}");
        }
        // Paths.
        for path in ["relative", "/a/../b", "/a/./b", "/a//b", "/a/", "/", "", "/a\0", "/a\nb"] {
            let mut operation = shim::operation();
            operation.files.insert(path.into(), canary());
            let error = operation.check().unwrap_err();
            assert!(matches!(error, DriverError::Path { .. }), "{path}: {error}");
        }
        for path in [
            "/etc/passwd",
            "/cnab/app/outputs",
            "/cnab/app/outputs/",
            "/cnab/app/outputsx/a",
            "/cnab/app/outputs/../../../etc/passwd",
            "/cnab/app/outputs/a/../b",
        ] {
            let mut operation = shim::operation();
            operation.outputs.insert(path.into(), "name".into());
            let error = operation.check().unwrap_err();
            assert!(matches!(error, DriverError::Path { .. }), "{path}: {error}");
        }
        check(|o| drop(o.outputs.insert("/cnab/app/outputs/a/..b".into(), "b".into())), "");
    }

    #[test]
    fn debug_shows_no_value() {
        let mut operation = shim::operation();
        operation.parameters.insert("p".into(), "canary".into());
        operation.environment.insert("E".into(), "canary".into());
        operation.files.insert("/f".into(), "canary".into());
        operation.image.content = Some(b"canary".to_vec());
        operation.bundle = serde_json::json!({ "default": "canary" });
        let shown = format!("{operation:?}");
        assert!(!shown.contains("canary") && shown.contains("\"E\""), "{shown}");
    }
}
