//! Programs that others use with registries, to see that coffer and they understand each other.

use crate::cache;
use crate::go::{self, Program};
use std::path::PathBuf;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// A program of ours that pushes bundles with Porter's own library for that, cnab-to-oci.
    Bundle,
    /// Signs, under a tag or with a bundle that refers to what is signed.
    Cosign,
    /// Pushes and pulls anything.
    Oras,
    /// Copies.
    Skopeo,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bundle, Self::Cosign, Self::Oras, Self::Skopeo];

    /// Installs it unless it is installed, and says where it is.
    #[must_use]
    pub fn install(self) -> PathBuf {
        let (name, version, module, requires, program) = match self {
            Self::Bundle => (
                "cnab-to-oci",
                "0.6.0",
                "github.com/cnabio/cnab-to-oci",
                include_str!("../bundle.mod"),
                Program::Ours(include_str!("../bundle.go")),
            ),
            Self::Cosign => (
                "cosign",
                "3.1.3",
                "github.com/sigstore/cosign/v3",
                include_str!("../cosign.mod"),
                Program::Theirs("github.com/sigstore/cosign/v3/cmd/cosign"),
            ),
            Self::Oras => (
                "oras",
                "1.3.6",
                "oras.land/oras",
                include_str!("../oras.mod"),
                Program::Theirs("oras.land/oras/cmd/oras"),
            ),
            Self::Skopeo => {
                crate::debian(&[("skopeo", "skopeo")]);
                return PathBuf::from("/usr/bin/skopeo");
            }
        };
        let folder = cache(name, version);
        let built = folder.join(name);
        if built.is_file() {
            return built;
        }
        go::build(&folder, requires, module, program, name)
    }
}
