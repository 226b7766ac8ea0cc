//! A bundle as it lies on the disk: `bundle.json`, and beside it the entry point if that is a component.

use crate::bundle::{Bundle, BundleError, ImageEntry};
use crate::document::{self, DOCUMENT_BYTES_MAX, DocumentError, Format};
use crate::driver::{Driver, Image};
use aws_lc_rs::digest;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::{Blame, Explain, limits};
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

/// A bundle that was read, with the image that a driver will run.
pub struct Package {
    bundle: Bundle,
    path: PathBuf,
    directory: Dir,
    text: String,
}

impl Package {
    /// Reads a bundle: a `bundle.json`, or the directory that has one.
    ///
    /// # Errors
    ///
    /// [`PackageError`] says what is wrong with which file.
    pub fn read(path: &Path) -> Result<Self, PackageError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| PackageError::Read { path, source }
        };
        let path = std::path::absolute(path).map_err(failed(path))?;
        let path = match Dir::open_ambient_dir(&path, ambient_authority()) {
            Ok(_) => path.join("bundle.json"),
            Err(_) => path,
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().unwrap_or_default();
        let directory =
            Dir::open_ambient_dir(parent, ambient_authority()).map_err(failed(&path))?;
        let text = read(&directory, Path::new(name), DOCUMENT_BYTES_MAX).map_err(failed(&path))?;
        let malformed = |error| PackageError::Document { path: path.clone(), error };
        let text = String::from_utf8(text).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            malformed(DocumentError::Syntax { language: "text in UTF-8", line, column: 1 })
        })?;
        let document = document::read(&text, Format::of(&path)).map_err(malformed)?;
        let bundle = Bundle::parse(document)
            .map_err(|error| PackageError::Bundle { path: path.clone(), error })?;
        Ok(Self { bundle, path, directory, text })
    }

    /// The bundle.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Where its `bundle.json` is, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The driver that its first image is for.
    #[must_use]
    pub fn driver(&self) -> Driver {
        match self.bundle.images()[0].kind.as_str() {
            "wasm" => Driver::Wasm,
            _ => Driver::Docker,
        }
    }

    /// The image that `driver` is to run: the component for the sandbox, the first one that is not a
    /// component for the others.
    ///
    /// # Errors
    ///
    /// [`PackageError::NoImage`], or [`PackageError::Read`] if the component is not there.
    pub(crate) fn image(&self, driver: &Driver) -> Result<Image, PackageError> {
        let images = self.bundle.images();
        let wanted = |image: &&ImageEntry| (image.kind == "wasm") == (*driver == Driver::Wasm);
        let image = match (images.iter().find(wanted), driver) {
            (Some(image), _) => image,
            // An external driver says itself what it can run.
            (None, Driver::Command(_)) => &images[0],
            (None, Driver::Docker | Driver::Wasm) => {
                return Err(PackageError::NoImage {
                    path: self.path.clone(),
                    kinds: images.iter().map(|image| image.kind.clone()).collect(),
                    driver: driver.to_string(),
                });
            }
        };
        let content = if image.kind == "wasm" { Some(self.component(image)?) } else { None };
        Ok(Image {
            kind: image.kind.clone(),
            reference: image.reference.clone(),
            digest: image.digest.clone(),
            content,
        })
    }

    /// The SHA-256 of the bundle and the image.
    pub(crate) fn digest(&self, image: &Image) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.text.as_bytes());
        context.update(image.content.as_deref().unwrap_or_default());
        shown(context.finish().as_ref())
    }

    fn component(&self, image: &ImageEntry) -> Result<Vec<u8>, PackageError> {
        let reference = Path::new(&image.reference);
        let path = self.path.with_file_name(&image.reference);
        // What is beside the bundle is meant, not what a bundle could name elsewhere.
        if reference.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(PackageError::Outside { path: self.path.clone() });
        }
        let bytes = read(&self.directory, reference, limits::COMPONENT_BYTES_MAX)
            .map_err(|source| PackageError::Read { path: path.clone(), source })?;
        match &image.digest {
            Some(expected) => {
                let actual = shown(digest::digest(&digest::SHA256, &bytes).as_ref());
                if actual == *expected { Ok(bytes) } else { Err(PackageError::Digest { path }) }
            }
            None => Ok(bytes),
        }
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Package").field(&self.path).finish()
    }
}

fn read(directory: &Dir, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    directory.open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let message = format!("it has more than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

fn shown(digest: &[u8]) -> String {
    digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// What is wrong with a bundle on the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// It is no bundle that can be run.
    #[error("the bundle {} cannot be used: {error}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        error: BundleError,
    },
    /// The entry point is not what the bundle says.
    #[error("the entry point {} does not have the digest that its bundle gives", path.display())]
    Digest {
        /// The entry point.
        path: PathBuf,
    },
    /// It is not JSON.
    #[error("the bundle {} cannot be read: {error}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        error: DocumentError,
    },
    /// No image is for the driver.
    #[error(
        "the bundle {} has no image for the driver {driver}, only {}", path.display(), kinds.join(", ")
    )]
    NoImage {
        /// The bundle.
        path: PathBuf,
        /// The kinds of its images.
        kinds: Vec<String>,
        /// The driver.
        driver: String,
    },
    /// The entry point is said to be somewhere else.
    #[error("the bundle {} names an entry point that is not beside it", path.display())]
    Outside {
        /// The bundle.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl Explain for PackageError {
    fn blame(&self) -> Blame {
        Blame::Requester
    }

    fn next(&self) -> String {
        match self {
            Self::Bundle { error, .. } => error.next(),
            Self::Digest { .. } => {
                "get the bundle again from where it came from, or have its author build it again"
                    .into()
            }
            Self::Document { .. } => "have the bundle's author mend `bundle.json`".into(),
            Self::NoImage { .. } => "choose another one with `--driver`".into(),
            Self::Outside { .. } => {
                "have the bundle's author put the entry point beside `bundle.json`".into()
            }
            Self::Read { .. } => {
                "give the directory of the bundle, or its `bundle.json`, with `--bundle`".into()
            }
        }
    }
}
