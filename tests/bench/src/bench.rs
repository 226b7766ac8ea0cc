//! What is measured, and where.

use coffer_host::grants::{Grants, Reference, Source};
use coffer_host::{Granted, Host, Store, StoreConfig};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// The release binary, the components, the tree, and a directory that is gone at the end.
pub(crate) struct Bench {
    coffer: PathBuf,
    components: PathBuf,
    tree: PathBuf,
    scratch: PathBuf,
}

impl Bench {
    pub(crate) fn new(coffer: PathBuf, components: PathBuf, tree: PathBuf) -> Self {
        let scratch = std::env::temp_dir().join(format!("coffer-bench-{}", std::process::id()));
        fs::create_dir(&scratch).expect("there is a place for temporary files");
        Self { coffer, components, tree, scratch }
    }

    /// The release binary's file.
    pub(crate) fn binary(&self) -> &Path {
        &self.coffer
    }

    pub(crate) fn tree(&self) -> &Path {
        &self.tree
    }

    /// A place for files.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// A new directory of coffer's, with a configuration.
    pub(crate) fn home(&self, name: &str, configuration: &str) -> PathBuf {
        let home = self.place(name);
        fs::create_dir(&home).expect("the directory is ours");
        fs::write(home.join("config.yaml"), configuration).expect("the directory is ours");
        home
    }

    /// `coffer` with a directory of its own.
    pub(crate) fn coffer(&self, home: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.coffer);
        command.env_clear().env("COFFER_HOME", home).args(arguments);
        command
    }

    /// The file of a component.
    pub(crate) fn component(&self, name: &str) -> PathBuf {
        self.components.join(name).with_extension("wasm")
    }

    /// A store of its own host with a component.
    pub(crate) fn store(&self, host: &Host, component: &str, config: StoreConfig) -> Store {
        let path = self.component(component);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let plugin = host.load(&bytes).expect("the component is a plugin");
        host.store(component, &plugin, config).expect("it is granted what it asks for")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What is left lies among temporary files.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// A store's configuration with grants and settings.
pub(crate) fn granted(grants: Value, settings: &Value) -> StoreConfig {
    let grants: Grants = serde_json::from_value(grants).expect("these are grants");
    let settings = settings.as_object().cloned().unwrap_or_default();
    StoreConfig { settings, grants: Granted::Only(grants), ..StoreConfig::default() }
}

/// A reference whose key tells the plugin what to do.
pub(crate) fn told(key: &str) -> Reference {
    Reference::new(Source::Value, key).expect("the key is one")
}

/// A runtime as programs that ask stores have it, one for each thread.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("there is room for a runtime")
}

/// How long a whole process takes, from its start to its end. It has to succeed.
pub(crate) fn whole(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let begun = Instant::now();
    let status = command.status().expect("the program is there");
    let taken = begun.elapsed();
    assert!(status.success(), "{command:?} ended with {status}");
    taken
}
