//! Values that are given on the command line: as they are, from a file, or from standard input.

use anyhow::{Context as _, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::{Secret, limits};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::path::Path;

/// Reads `NAME=VALUE`, `NAME=@FILE` and `NAME=-`.
///
/// # Errors
///
/// Says which one is wrong, without its value.
pub(crate) fn parameters(given: &[String]) -> anyhow::Result<BTreeMap<String, Secret>> {
    let mut parameters = BTreeMap::new();
    let mut asked = false;
    for (index, text) in given.iter().enumerate() {
        let Some((name, value)) = pair(text) else {
            bail!(Usage(format!("--param number {} is not NAME=VALUE", index + 1)));
        };
        if value == "-" && std::mem::replace(&mut asked, true) {
            bail!(Usage("only one --param can be `-`: there is one standard input".into()));
        }
        let secret = match value.strip_prefix('@') {
            None if value != "-" => Secret::from(value),
            _ => from_elsewhere(value, name)?,
        };
        if parameters.insert(name.to_owned(), secret).is_some() {
            bail!(Usage(format!("--param {name} is given twice")));
        }
    }
    Ok(parameters)
}

/// The name and the value of `NAME=VALUE`. What stands before a `=` and can be no name may be a part of a
/// value, and messages quote names.
pub(crate) fn pair(text: &str) -> Option<(&str, &str)> {
    let is_letter = |letter: char| letter.is_alphanumeric() || "-_.:/".contains(letter);
    let is_name = |name: &str| !name.is_empty() && name.chars().all(is_letter);
    text.split_once('=').filter(|(name, _)| is_name(name))
}

/// Reads `@FILE` or `-`. A line that was typed has no line break at its end; a file has every byte.
///
/// # Errors
///
/// Says what could not be read.
pub(crate) fn from_elsewhere(place: &str, name: &str) -> anyhow::Result<Secret> {
    match place.strip_prefix('@') {
        Some(file) => {
            let path = Path::new(file);
            let what = || cannot_read(path);
            Secret::read(open(path).with_context(what)?, limits::ANSWER_BYTES_MAX)
                .with_context(what)
        }
        None if place == "-" && io::stdin().is_terminal() => {
            let typed = rpassword::prompt_password(format!("{name}: "))
                .context("cannot ask on this terminal")?;
            Ok(Secret::from(typed))
        }
        None if place == "-" => {
            // Not through the standard library's buffer, which keeps what was read.
            let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
            Secret::read(stdin, limits::ANSWER_BYTES_MAX).context("cannot read standard input")
        }
        None => bail!(Usage(format!(
            "the value of `{name}` must be `@FILE` or `-`, so that no other process sees it"
        ))),
    }
}

/// Reads a file that was named on the command line.
///
/// # Errors
///
/// Says which file and what the operating system says.
pub(crate) fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    read_file_within(path, limits::ANSWER_BYTES_MAX)
}

/// Reads a file that was named on the command line and has at most `bytes_max` bytes.
///
/// # Errors
///
/// Says which file and what the operating system says.
pub(crate) fn read_file_within(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let what = || cannot_read(path);
    read(open(path).with_context(what)?, bytes_max).with_context(what)
}

/// Reads a component that was named on the command line.
///
/// # Errors
///
/// Says which file and what the operating system says.
pub(crate) fn read_component(path: &Path) -> anyhow::Result<Vec<u8>> {
    let what = || cannot_read(path);
    let mut bytes = Vec::new();
    // One more than is allowed, so that the host says that it is too much.
    let mut file = open(path).with_context(what)?.take(limits::COMPONENT_BYTES_MAX as u64 + 1);
    file.read_to_end(&mut bytes).with_context(what)?;
    Ok(bytes)
}

/// Reads a file that was named on the command line and is a secret.
///
/// # Errors
///
/// Says which file and what the operating system says.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<Secret> {
    let what = || cannot_read(path);
    Secret::read(open(path).with_context(what)?, limits::ANSWER_BYTES_MAX).with_context(what)
}

/// Asks for something on the terminal.
///
/// # Errors
///
/// If nobody can be asked.
pub(crate) fn ask(what: &str) -> anyhow::Result<Secret> {
    if !io::stdin().is_terminal() {
        bail!(Usage(format!("there is no terminal to ask for the {what}; set COSIGN_PASSWORD")));
    }
    let typed =
        rpassword::prompt_password(format!("{what}: ")).context("cannot ask on this terminal")?;
    Ok(Secret::from(typed))
}

/// Opens a file that was named on the command line.
///
/// # Errors
///
/// That of the operating system.
pub(crate) fn open(path: &Path) -> io::Result<cap_std::fs::File> {
    let path = std::path::absolute(path)?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default();
    Dir::open_ambient_dir(parent, ambient_authority())?.open(name)
}

fn cannot_read(path: &Path) -> Place {
    Place(format!("cannot read {}", path.display()))
}

/// Reads standard input whole, as text.
///
/// # Errors
///
/// If it is too long, or no text.
pub(crate) fn read_stdin() -> anyhow::Result<Vec<u8>> {
    read(io::stdin().lock(), limits::ANSWER_BYTES_MAX).context("cannot read standard input")
}

fn read(reader: impl Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let message = format!("it has more than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Something that is wrong with the command line itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// A file or directory that was named on the command line and cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Place(pub(crate) String);
