//! The commands about plugins in registries.

use clap::{Subcommand, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Registry {
    /// Publish a plugin in a registry, and print what it is by its digest
    Publish {
        /// The component
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Where: oci://registry/repository:tag
        reference: String,
    },
    /// Pull a plugin from a registry, and print what it is by its digest; nothing of it runs
    Pull {
        /// What: oci://registry/repository:tag, with a digest or without
        reference: String,
    },
    /// Pull a plugin from a registry, and print the lines for the configuration; nothing of it runs
    Install {
        /// What: oci://registry/repository:tag, with a digest or without
        reference: String,
    },
    /// Write plugins, with their signatures, into an archive for machines without a way to their registry
    Save {
        /// What: oci://registry/repository:tag, with a digest or without
        #[arg(required = true, value_name = "REFERENCE")]
        references: Vec<String>,
        /// The archive, an OCI image layout in a tar file
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        to: PathBuf,
    },
    /// Keep the plugins of an archive as if they had been pulled
    Load {
        /// The archive
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Make a pair of keys, NAME.key and NAME.pub, as cosign does
    ///
    /// The private one is encrypted with a password: that of the variable COSIGN_PASSWORD, or else it is asked for.
    Keys {
        /// The beginning of the names of the files
        #[arg(default_value = "cosign", value_name = "NAME", value_hint = ValueHint::FilePath)]
        name: PathBuf,
    },
    /// Sign a plugin in its registry, as cosign does
    ///
    /// The password of the key is that of the variable COSIGN_PASSWORD, or else it is asked for.
    Sign {
        /// What: oci://registry/repository:tag, with a digest or without
        reference: String,
        /// The private key, as `coffer plugins keys` or cosign has made it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        key: PathBuf,
    },
    /// Verify that a plugin in its registry is signed
    Verify {
        /// What: oci://registry/repository:tag, with a digest or without
        reference: String,
        /// The public key; several in one file are each as good
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        key: PathBuf,
    },
}
