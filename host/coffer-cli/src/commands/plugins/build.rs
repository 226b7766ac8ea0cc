//! plugins build: cargo with what it takes to make a component, and a look at what came of it. What runs is the
//! author's own crate and its build scripts; nothing of the component does.

use super::inspect;
use crate::arguments::{Build, Global};
use crate::given;
use crate::output;
use crate::session;
use coffer_host::{Blame, Explain, Inspection, limits};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-unknown-unknown";

/// What makes a component of a module. rustc looks for it beside its own tools, and on PATH.
const LINKER: &str = "wasm-component-ld";

/// How cargo is told which linker and which options rustc takes. The first is set here unless it is set
/// already; the second is how a compiler with its library elsewhere says where.
const LINKER_VARIABLE: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER";
const FLAGS_VARIABLE: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

/// Builds the crate in a directory.
///
/// # Errors
///
/// [`BuildError`] says what is missing or did not work; else what is wrong with the component.
pub(super) fn run(global: &Global, asked: &Build) -> anyhow::Result<()> {
    let tools = Tools::find()?;
    let file = tools.build(&asked.directory, &asked.profile)?;
    let bytes = given::read_file_within(&file, limits::COMPONENT_BYTES_MAX)?;
    let shown = file.display().to_string();
    let inspection = Inspection::of(&bytes)
        .map_err(|error| coffer_bundle::StoreError::Load { plugin: shown.clone(), error })?;
    let value = json!({
        "file": shown,
        "bytes": inspection.size,
        "digest": inspection.digest,
        "can": inspect::can(&inspection),
        "exports": inspection.exports,
        "imports": inspect::imports(&inspection),
    });
    output::result(global.output, &value, || {
        format!(
            "File:         {shown}\nSize:         {} bytes\nDigest:       {}\nCan:          {}\n\n{}",
            inspection.size,
            inspection.digest,
            inspect::can(&inspection).join(", "),
            inspect::interfaces(&inspection),
        )
    })
}

/// A toolchain that can make components, as far as that can be seen before it is tried.
struct Tools {
    cargo: OsString,
    linker: OsString,
}

impl Tools {
    fn find() -> Result<Self, BuildError> {
        let named = |variable: &str, usual: &str| {
            session::variable(variable).filter(|name| !name.is_empty()).unwrap_or(usual.to_owned())
        };
        let (cargo, rustc) = (named("CARGO", "cargo"), named("RUSTC", "rustc"));
        says(&cargo, &["--version"]).ok_or_else(|| BuildError::NoProgram(cargo.clone()))?;
        let version = says(&rustc, &["-vV"]).ok_or_else(|| BuildError::NoProgram(rustc.clone()))?;
        // The library of the target may be in a place of its own, which only the flags name.
        let flags = session::variable(FLAGS_VARIABLE).unwrap_or_default();
        let mut arguments: Vec<&str> = flags.split_whitespace().collect();
        arguments.extend(["--print", "target-libdir", "--target", TARGET]);
        let library = says(&rustc, &arguments).unwrap_or_default();
        if !is_there(Path::new(library.trim())) {
            return Err(BuildError::NoTarget);
        }
        let linker = named(LINKER_VARIABLE, LINKER);
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let sysroot = says(&rustc, &["--print", "sysroot"]).unwrap_or_default();
        let beside =
            Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin").join(&linker);
        if !is_there(&beside) && says(&linker, &["--version"]).is_none() {
            return Err(BuildError::NoLinker(linker));
        }
        Ok(Self { cargo: cargo.into(), linker: linker.into() })
    }

    /// Builds the crate, with cargo's own words on standard error, and says where the component is.
    fn build(&self, directory: &Path, profile: &str) -> Result<PathBuf, BuildError> {
        let manifest = directory.join("Cargo.toml");
        if !is_there(&manifest) {
            return Err(BuildError::NoCrate(directory.to_owned()));
        }
        let output = Command::new(&self.cargo)
            .args(["build", "--lib", "--target", TARGET, "--profile", profile])
            .arg("--message-format=json-render-diagnostics")
            // From there, cargo finds the crate's own `.cargo/config.toml`.
            .current_dir(directory)
            .env(LINKER_VARIABLE, &self.linker)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|_| BuildError::NoProgram(self.cargo.to_string_lossy().into_owned()))?;
        if !output.status.success() {
            return Err(BuildError::Failed);
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let messages = said.lines().filter_map(|line| serde_json::from_str(line).ok());
        // The last one is the crate itself; what it depends on comes before it.
        messages
            .filter_map(|message: Value| component(&message))
            .next_back()
            .ok_or(BuildError::NoComponent)
    }
}

/// The component that one of cargo's messages is about.
fn component(message: &Value) -> Option<PathBuf> {
    let kinds = message["target"]["kind"].as_array()?;
    let files = message["filenames"].as_array()?;
    let mut files = files.iter().filter_map(Value::as_str);
    let file = files.find(|file| file.ends_with(".wasm"))?;
    kinds.iter().any(|kind| kind == "cdylib").then(|| PathBuf::from(file))
}

/// What a program says on its standard output, if it is there and ends well.
fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn is_there(path: &Path) -> bool {
    let root = cap_std::fs::Dir::open_ambient_dir("/", cap_std::ambient_authority());
    let below = std::path::absolute(path);
    root.is_ok_and(|root| {
        below.is_ok_and(|path| root.metadata(path.strip_prefix("/").unwrap_or(&path)).is_ok())
    })
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("cargo could not build the crate; its own words are above")]
    Failed,
    #[error("cargo built no component: the crate is no `cdylib`")]
    NoComponent,
    #[error("there is no crate in {}: it has no Cargo.toml", .0.display())]
    NoCrate(PathBuf),
    #[error("the linker {0} is not there, which makes a component of what rustc compiles")]
    NoLinker(String),
    #[error("the program {0} is not there, or does not run")]
    NoProgram(String),
    #[error("this Rust has no library for {TARGET}, which plugins are compiled to")]
    NoTarget,
}

impl Explain for BuildError {
    fn blame(&self) -> Blame {
        match self {
            Self::Failed | Self::NoComponent | Self::NoCrate(_) => Blame::Requester,
            Self::NoLinker(_) | Self::NoProgram(_) | Self::NoTarget => Blame::Operator,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Failed => "mend what cargo says, and build again".into(),
            Self::NoComponent => "write this into Cargo.toml:\n\n    [lib]\n    crate-type = [\"cdylib\"]".into(),
            Self::NoCrate(_) => "name the directory of the crate, or make one with `coffer plugins new NAME`".into(),
            Self::NoLinker(_) => {
                "install Rust with rustup (rustup.rs), which brings it, or run `cargo install wasm-component-ld`".into()
            }
            Self::NoProgram(_) => "install Rust with rustup (rustup.rs)".into(),
            Self::NoTarget => format!(
                "run `rustup target add {TARGET}`; for another compiler, such as Debian's, set RUSTC, and \
                 {FLAGS_VARIABLE} to `--sysroot` and the folder that has the library"
            ),
        }
    }
}
