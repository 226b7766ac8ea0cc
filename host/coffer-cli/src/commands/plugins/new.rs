//! plugins new: a crate that builds, has tests and says how it is used. It is made of the files in
//! `templates`, with the name filled in.

use crate::arguments::{Global, New, Template};
use crate::given::{Place, Usage};
use crate::output;
use anyhow::Context as _;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_bundle::Bundled;
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a name. It becomes the name of a crate and of a file.
const NAME_BYTES_MAX: usize = 64;

/// The version of the SDK that this coffer was made with.
const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Names that cargo or rustc would take for something else.
const RESERVED: [&str; 58] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "coffer-plugin",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "unsafe",
    "use",
    "where",
    "while",
    "yield",
];

/// Makes the crate.
///
/// # Errors
///
/// If the name cannot be one, something of that name is here, or a file cannot be written.
pub(super) fn run(global: &Global, asked: &New, bundled: &[Bundled]) -> anyhow::Result<()> {
    check_name(&asked.name, bundled)?;
    let sdk = asked.sdk.as_deref().map(sdk_at).transpose()?;
    let here = Dir::open_ambient_dir(".", ambient_authority())
        .with_context(|| Place("cannot open the current directory".into()))?;
    let name = Path::new(&asked.name);
    match here.create_dir(name) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text =
                format!("there is something called {} here, which is left as it is", asked.name);
            return Err(Usage(text).into());
        }
        Err(error) => {
            return Err(error).with_context(|| Place(format!("cannot make {}", asked.name)));
        }
    }
    let files = files(&asked.name, asked.template, sdk.as_deref());
    if let Err(error) = here.open_dir(name).and_then(|crate_| write(&crate_, &files)) {
        // It was made a moment ago, so nothing in it is anybody else's.
        let _ = here.remove_dir_all(name);
        return Err(error).with_context(|| Place(format!("cannot write to {}", asked.name)));
    }
    let names: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    let value = json!({ "crate": asked.name, "files": names, "sdk": sdk_source(sdk.as_deref()) });
    output::result(global.output, &value, || {
        let mut text = format!("made the crate {} of\n", asked.name);
        for name in names {
            text += &format!("  {name}\n");
        }
        text + &format!(
            "{}\nnext: cd {} && cargo test && coffer plugins build\n",
            sdk_sentence(sdk.as_deref()),
            asked.name
        )
    })
}

fn check_name(name: &str, bundled: &[Bundled]) -> Result<(), Usage> {
    let refused = |why: &str| Err(Usage(format!("the plugin cannot have this name: {why}")));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    if !begins || name.ends_with('-') || name.contains("--") || !name.bytes().all(plain) {
        return refused(
            "it takes small letters, digits and single `-` between them, and begins with a letter",
        );
    }
    if name.len() > NAME_BYTES_MAX {
        return refused(&format!("it has more than {NAME_BYTES_MAX} characters"));
    }
    if RESERVED.contains(&name) {
        return refused("cargo takes it for something else");
    }
    if bundled.iter().any(|known| known.name == name || known.aliases.contains(&name)) {
        return refused("a plugin that comes with coffer has it");
    }
    Ok(())
}

/// The folder of the SDK in a checkout: the one that is named, or `plugins/coffer-plugin` below it.
fn sdk_at(asked: &Path) -> anyhow::Result<PathBuf> {
    let asked = std::path::absolute(asked)?;
    for folder in [asked.clone(), asked.join("plugins/coffer-plugin")] {
        let manifest = Dir::open_ambient_dir(&folder, ambient_authority())
            .and_then(|folder| folder.read_to_string("Cargo.toml"));
        let is_sdk =
            |text: String| text.lines().any(|line| line.trim() == "name = \"coffer-plugin\"");
        if manifest.is_ok_and(is_sdk) {
            return Ok(folder);
        }
    }
    let text = format!(
        "{} has no crate `coffer-plugin`; --sdk takes its folder, or coffer's source",
        asked.display()
    );
    Err(Usage(text).into())
}

/// What `Cargo.toml` says of where the SDK is from. JSON writes a text as TOML reads it.
fn sdk_source(sdk: Option<&Path>) -> String {
    match sdk {
        None => format!("version = {}", json!(SDK_VERSION)),
        Some(folder) => format!("path = {}", json!(folder.to_string_lossy())),
    }
}

fn sdk_sentence(sdk: Option<&Path>) -> String {
    match sdk {
        None => format!(
            "The SDK, `coffer-plugin`, is version {SDK_VERSION} of the package registry crates.io. While it is not \
             published there, make the crate with `coffer plugins new --sdk PATH` and a checkout of coffer's source."
        ),
        Some(folder) => format!(
            "The SDK, `coffer-plugin`, is the checkout in `{}`. Write `version = \"{SDK_VERSION}\"` in the place of \
             `path` in `Cargo.toml` for the published one; a CI service has no such folder.",
            folder.display()
        ),
    }
}

/// The files by their paths in the crate.
fn files(name: &str, template: Template, sdk: Option<&Path>) -> Vec<(&'static str, String)> {
    macro_rules! template {
        ($path:literal) => {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $path))
        };
    }
    let (library, manifest, readme) = match template {
        Template::Fs => {
            (template!("fs/lib.rs"), template!("fs/plugin.toml"), template!("fs/README.md"))
        }
        Template::Http => {
            (template!("http/lib.rs"), template!("http/plugin.toml"), template!("http/README.md"))
        }
        Template::Minimal => (
            template!("minimal/lib.rs"),
            template!("minimal/plugin.toml"),
            template!("minimal/README.md"),
        ),
    };
    let files = [
        (".cargo/config.toml", template!("crate/config.toml")),
        (".github/workflows/plugin.yml", template!("crate/workflow.yml")),
        (".gitignore", template!("crate/gitignore")),
        ("Cargo.toml", template!("crate/Cargo.toml.txt")),
        ("README.md", template!("crate/README.md")),
        ("build.rs", template!("crate/build.rs")),
        ("plugin.toml", manifest),
        ("src/lib.rs", library),
    ];
    let filled = |text: &str| {
        text.replace("TEMPLATE_README", readme.trim_end())
            .replace("PLUGIN_FILE", &name.replace('-', "_"))
            .replace("PLUGIN_NAME", name)
            .replace("SDK_SENTENCE", &sdk_sentence(sdk))
            .replace("SDK_SOURCE", &sdk_source(sdk))
    };
    files.into_iter().map(|(path, text)| (path, filled(text))).collect()
}

fn write(crate_: &Dir, files: &[(&str, String)]) -> io::Result<()> {
    for (path, text) in files {
        let path = Path::new(path);
        if let Some(parent) = path.parent() {
            crate_.create_dir_all(parent)?;
        }
        crate_.write(path, text)?;
    }
    Ok(())
}
