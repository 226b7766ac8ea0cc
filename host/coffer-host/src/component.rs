//! A plugin's file: what it says of itself, what it can do and what it can reach for. All of it is read
//! from the bytes; nothing is compiled, and nothing of the plugin runs.

use crate::error::LoadError;
use crate::limits;
use crate::text;
use aws_lc_rs::digest;
use coffer_grants::Manifest;
use std::fmt::Write as _;
use wasmparser::{
    BinaryReader, ComponentExternalKind, Encoding, Parser, Payload, ProducersSectionReader,
};

/// The custom section that has the manifest.
const MANIFEST_SECTION: &str = "coffer:manifest";

/// The custom section in which compilers and linkers name themselves.
const PRODUCERS_SECTION: &str = "producers";

/// Tools that are told of. A plugin of five languages has a dozen; whoever lists more says nothing by it.
const TOOLS_MAX: usize = 32;

/// Bytes of a tool's name, and of its version.
const TOOL_BYTES_MAX: usize = 128;

/// What a plugin's file says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The plugin author's word.
    pub manifest: Manifest,
    /// The manifest as the file has it: JSON.
    pub manifest_json: String,
    /// `sha256:` and the digest of `manifest_json` in hexadecimal.
    pub manifest_digest: String,
    /// The version of `coffer:secrets` that its resolver is of.
    pub contract: String,
    /// What the plugin can do.
    pub capabilities: Capabilities,
    /// What it imports, in the order of the file.
    pub imports: Vec<Import>,
    /// The names of all that it exports.
    pub exports: Vec<String>,
    /// What made it, as the tools themselves say, escaped: the kind of tool, its name and its version.
    pub toolchain: Vec<String>,
    /// Bytes of the file.
    pub size: usize,
    /// `sha256:` and the file's digest in hexadecimal.
    pub digest: String,
}

/// The interfaces that a plugin exports, besides `resolver`, which every plugin does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It keeps secrets.
    pub writer: bool,
    /// It lists keys.
    pub lister: bool,
}

/// Something that a plugin imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The interface, with its version.
    pub name: String,
    /// What it takes for the import to be of any use.
    pub need: Need,
}

/// What it takes for an import to be of any use. Without it every call is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A grant of commands.
    Commands,
    /// A grant of directories.
    Directories,
    /// A grant of environment variables.
    Environment,
    /// A grant of HTTP requests.
    Http,
    /// No use at all: it is empty or denies, whatever is granted.
    Inert,
    /// Nothing: settings, logging, clocks, randomness and the plugin's own cache reach nothing.
    Nothing,
}

impl Inspection {
    /// Reads `bytes`.
    ///
    /// # Errors
    ///
    /// [`LoadError`] says why they are no plugin.
    pub fn of(bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.len() > limits::COMPONENT_BYTES_MAX {
            return Err(LoadError::TooLarge { bytes: bytes.len() });
        }
        let sections = Sections::read(bytes)?;
        let json = match sections.manifests.as_slice() {
            [] => return Err(LoadError::ManifestMissing),
            [json] => *json,
            [_, _, ..] => return Err(LoadError::ManifestTwice),
        };
        let manifest = Manifest::parse(json)?;
        let exported = |wanted: &str| {
            sections.exports.iter().find_map(|name| {
                let (interface, version) = name.split_once('@')?;
                (interface == wanted && version.starts_with("0.1.")).then_some(version)
            })
        };
        let Some(contract) = exported("coffer:secrets/resolver").map(str::to_owned) else {
            return Err(LoadError::NoResolver { exports: shown(&sections.exports) });
        };
        let imports = sections
            .imports
            .into_iter()
            .map(|name| match need(&name) {
                Some(need) => Ok(Import { name, need }),
                None => Err(LoadError::UnknownImport { name: text::escape(&name) }),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            manifest,
            manifest_json: String::from_utf8_lossy(json).into_owned(),
            manifest_digest: digest_of(json),
            contract,
            capabilities: Capabilities {
                writer: exported("coffer:secrets/writer").is_some(),
                lister: exported("coffer:secrets/lister").is_some(),
            },
            imports,
            exports: sections.exports,
            toolchain: sections.tools,
            size: bytes.len(),
            digest: digest_of(bytes),
        })
    }
}

/// `sha256:` and the digest of `bytes` in hexadecimal.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in digest::digest(&digest::SHA256, bytes).as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What the import `name` needs, or nothing if the host does not know it.
fn need(name: &str) -> Option<Need> {
    let (interface, version) = name.split_once('@')?;
    let (package, interface) = interface.split_once('/')?;
    let needs = match (package, interface) {
        ("coffer:host", "cache") => ("0.1.", Need::Nothing),
        ("coffer:host", "commands") => ("0.1.", Need::Commands),
        ("coffer:host", "http") => ("0.1.", Need::Http),
        ("coffer:secrets", "types") => ("0.1.", Need::Nothing),
        ("wasi:cli", "environment") => ("0.2.", Need::Environment),
        (
            "wasi:cli",
            "exit" | "stderr" | "stdin" | "stdout" | "terminal-input" | "terminal-output"
            | "terminal-stderr" | "terminal-stdin" | "terminal-stdout",
        ) => ("0.2.", Need::Inert),
        ("wasi:clocks", "monotonic-clock" | "wall-clock") => ("0.2.", Need::Nothing),
        ("wasi:config", "store") => ("0.2.", Need::Nothing),
        ("wasi:filesystem", "preopens" | "types") => ("0.2.", Need::Directories),
        ("wasi:http", "outgoing-handler" | "types") => ("0.2.", Need::Http),
        ("wasi:io", "error" | "poll" | "streams") => ("0.2.", Need::Nothing),
        ("wasi:logging", "logging") => ("0.1.", Need::Nothing),
        ("wasi:random", "insecure" | "insecure-seed" | "random") => ("0.2.", Need::Nothing),
        (
            "wasi:sockets",
            "instance-network" | "ip-name-lookup" | "network" | "tcp" | "tcp-create-socket" | "udp"
            | "udp-create-socket",
        ) => ("0.2.", Need::Inert),
        _ => return None,
    };
    version.starts_with(needs.0).then_some(needs.1)
}

/// Names for a message: the first few, escaped.
fn shown(names: &[String]) -> String {
    const SHOWN_MAX: usize = 8;
    let mut shown: Vec<String> =
        names.iter().take(SHOWN_MAX).map(|name| text::escape(name)).collect();
    if names.len() > SHOWN_MAX {
        shown.push("…".into());
    }
    if shown.is_empty() { "nothing".into() } else { shown.join(", ") }
}

/// What is needed of a component's sections.
#[derive(Default)]
struct Sections<'a> {
    manifests: Vec<&'a [u8]>,
    imports: Vec<String>,
    exports: Vec<String>,
    tools: Vec<String>,
}

impl<'a> Sections<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, LoadError> {
        if !bytes.starts_with(b"\0asm") {
            return Err(LoadError::NotWasm);
        }
        let malformed = |error: wasmparser::BinaryReaderError| {
            LoadError::Malformed(text::escape(error.message()), error.offset())
        };
        let mut sections = Self::default();
        // How many components and modules deep; only the outermost one's imports and exports count.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(malformed)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(LoadError::CoreModule);
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                    sections.manifests.push(section.data());
                }
                Payload::CustomSection(section) if section.name() == PRODUCERS_SECTION => {
                    // It is there for people. One that cannot be read says nothing, and breaks nothing.
                    let _ = sections.add_tools(section.data());
                }
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    for import in imports {
                        let name = import.map_err(malformed)?.name.name;
                        add(&mut sections.imports, name)?;
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        let export = export.map_err(malformed)?;
                        if export.kind == ComponentExternalKind::Instance {
                            add(&mut sections.exports, export.name.name)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(sections)
    }

    fn add_tools(&mut self, data: &[u8]) -> wasmparser::Result<()> {
        for field in ProducersSectionReader::new(BinaryReader::new(data, 0))? {
            let field = field?;
            for value in field.values {
                let value = value?;
                let told = [value.name, value.version].map(|text| {
                    text.char_indices().take_while(|(at, _)| *at < TOOL_BYTES_MAX).map(|(_, c)| c)
                });
                let [name, version] = told.map(|text| text::escape(&text.collect::<String>()));
                let tool = format!("{}: {name} {version}", field.name).trim_end().to_owned();
                if self.tools.len() < TOOLS_MAX && !self.tools.contains(&tool) {
                    self.tools.push(tool);
                }
            }
        }
        Ok(())
    }
}

fn add(names: &mut Vec<String>, name: &str) -> Result<(), LoadError> {
    if names.len() == limits::INTERFACES_MAX {
        return Err(LoadError::TooManyInterfaces);
    }
    if name.len() > limits::INTERFACE_NAME_BYTES_MAX {
        return Err(LoadError::UnknownImport { name: text::escape(name) });
    }
    names.push(name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_known_by_package_interface_and_version() {
        let check = |name: &str, expected: Option<Need>| assert_eq!(need(name), expected, "{name}");
        check("coffer:host/http@0.1.0", Some(Need::Http));
        check("coffer:host/http@0.1.9", Some(Need::Http));
        check("coffer:host/http@0.2.0", None);
        check("coffer:host/http@0.10.0", None);
        check("coffer:host/http", None);
        check("coffer:host/https@0.1.0", None);
        check("wasi:http/outgoing-handler@0.2.9", Some(Need::Http));
        check("wasi:http/incoming-handler@0.2.9", None);
        check("wasi:http/client@0.3.0", None);
        check("wasi:sockets/tcp@0.2.12", Some(Need::Inert));
        check("wasi:filesystem/types@0.2.0", Some(Need::Directories));
        check("wasi:config/store@0.2.0-rc.1", Some(Need::Nothing));
        check("wasi:logging/logging@0.1.0-draft", Some(Need::Nothing));
        check("evil:host/everything@0.1.0", None);
        check("", None);
    }

    #[test]
    fn what_is_no_plugin_is_refused() {
        let check = |bytes: &[u8], expected: &str| {
            let error = Inspection::of(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{bytes:?}: {error}");
        };
        check(b"", "not WebAssembly");
        check(b"#!/bin/sh", "not WebAssembly");
        check(b"\0as", "not WebAssembly");
        check(b"\0asm", "malformed");
        check(b"\0asm\x01\0\0\0", "core module");
        check(b"\0asm\x0d\0\x01\0", "no manifest");
        check(b"\0asm\x0d\0\x01\0\x00\xff\x01x", "malformed");
        check(b"\0asm\x0d\0\x02\0", "malformed");
    }
}
