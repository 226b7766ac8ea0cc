//! Where in the bundle's image a value is put, and the path that an output is read from.

use super::error::BundleError;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a path in an image: what Linux takes.
const PATH_BYTES_MAX: usize = 4096;

/// The directory that outputs are read from.
pub(crate) const OUTPUTS: &str = "/cnab/app/outputs";

/// Paths that the runtime fills, or runs. A value there would replace the bundle, or be read back as an
/// output.
const RESERVED_PATHS: [&str; 5] =
    ["/cnab/app/image-map.json", OUTPUTS, "/cnab/app/run", "/cnab/bundle.json", "/cnab/claim.json"];

/// Every destination of a bundle, so that no value overwrites another.
#[derive(Default)]
pub(super) struct Destinations {
    environment: BTreeMap<String, String>,
    paths: Paths,
}

impl Destinations {
    /// Checks what the field `at` says about where its value goes, and claims it.
    pub(super) fn claim(
        &mut self,
        at: &str,
        environment: Option<&str>,
        path: Option<&str>,
    ) -> Result<(), BundleError> {
        if environment.is_none() && path.is_none() {
            return Err(field(at, "it needs `env` or `path`, or its value goes nowhere"));
        }
        if let Some(name) = environment {
            let at = format!("{at}.env");
            check_environment(name).map_err(|rule| field(&at, rule))?;
            if let Some(other) = self.environment.insert(name.to_owned(), at.clone()) {
                return Err(BundleError::Taken { at, other });
            }
        }
        let Some(path) = path else { return Ok(()) };
        let at = format!("{at}.path");
        check_path(path).map_err(|rule| field(&at, rule))?;
        if RESERVED_PATHS.iter().any(|reserved| is_within(path, reserved)) {
            return Err(field(&at, "it is kept for the CNAB runtime"));
        }
        if RESERVED_PATHS.iter().any(|reserved| is_within(reserved, path)) {
            return Err(field(&at, "it is a directory that the CNAB runtime fills"));
        }
        self.paths.claim(path, at)
    }
}

/// The paths of a bundle's outputs.
#[derive(Default)]
pub(super) struct OutputPaths(Paths);

impl OutputPaths {
    /// Checks the path in the field `at`, and claims it: were one file two outputs, of which one is
    /// sensitive, then its value would be stored in clear by the other.
    pub(super) fn claim(&mut self, at: &str, path: &str) -> Result<(), BundleError> {
        check_path(path).map_err(|rule| field(at, rule))?;
        if path == OUTPUTS || !is_within(path, OUTPUTS) {
            return Err(field(at, "an output must be below `/cnab/app/outputs/`"));
        }
        self.0.claim(path, at.to_owned())
    }
}

/// Paths, none of which is or contains another.
#[derive(Default)]
struct Paths {
    taken: BTreeMap<String, String>,
    directories: BTreeSet<String>,
}

impl Paths {
    fn claim(&mut self, path: &str, at: String) -> Result<(), BundleError> {
        let above = ancestors(path);
        let other = self.taken.get(path).or_else(|| {
            above.clone().find_map(|directory| self.taken.get(directory)).or_else(|| {
                let below = self.directories.contains(path);
                below
                    .then(|| self.taken.iter().find(|(taken, _)| is_within(taken, path)))?
                    .map(|(_, at)| at)
            })
        });
        if let Some(other) = other {
            return Err(BundleError::Taken { at, other: other.clone() });
        }
        self.directories.extend(above.map(str::to_owned));
        self.taken.insert(path.to_owned(), at);
        Ok(())
    }
}

fn ancestors(path: &str) -> impl Iterator<Item = &str> + Clone {
    path.match_indices('/')
        .map(|(index, _)| &path[..index])
        .filter(|directory| !directory.is_empty())
}

/// Whether `path` is `directory` or below it. Both are checked, so text is enough.
fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn check_environment(name: &str) -> Result<(), &'static str> {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !first || !characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
    {
        return Err("a variable has letters, digits and `_`, and does not begin with a digit");
    }
    if name.starts_with("CNAB_") {
        return Err("variables that begin with `CNAB_` are kept for the CNAB runtime");
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() > PATH_BYTES_MAX {
        return Err("the path is too long");
    }
    let Some(segments) = path.strip_prefix('/') else {
        return Err("the path must be absolute");
    };
    if path.chars().any(|character| character.is_control() || character == '\\') {
        return Err("the path has a control character or a `\\`");
    }
    if segments.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("the path has a segment that is empty, `.` or `..`");
    }
    Ok(())
}

fn field(at: &str, rule: &'static str) -> BundleError {
    BundleError::Field { at: at.to_owned(), rule }
}
