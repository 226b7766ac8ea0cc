//! Every bound on what comes from a registry, a file of credentials or an archive, with its unit and the reason for
//! its size.

use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Bytes of a manifest or an index. The specification says that registries take so much.
pub const MANIFEST_BYTES_MAX: usize = 4 * MIB;
/// Bytes of a `bundle.json`: as much as is read of one on the disk.
pub const BUNDLE_BYTES_MAX: usize = 4 * MIB;
/// Bytes of what a plugin's manifest has as its config. Ours have 1 KiB.
pub const CONFIG_BYTES_MAX: usize = MIB;
/// Bytes of a signature's payload or bundle. Cosign's have 10 KiB.
pub const SIGNATURE_BYTES_MAX: usize = 256 * KIB;
/// Signatures of one artifact that are looked at.
pub const SIGNATURES_MAX: usize = 64;
/// Bytes of the answer of a server of tokens. Tokens with many rights have 10 KiB.
pub const TOKEN_BYTES_MAX: usize = 64 * KIB;
/// Bytes of an answer that says why something was refused.
pub const REFUSAL_BYTES_MAX: usize = 16 * KIB;
/// Redirects that are followed for one blob. Registries use one.
pub const REDIRECTS_MAX: usize = 3;
/// How often a blob is asked for until it is whole; each time goes on where the last one ended.
pub const TRIES_MAX: usize = 4;
/// Wall time from a request to the beginning of its answer. Registries may first move what was uploaded.
pub const FIRST_BYTE_MAX: Duration = Duration::from_secs(60);
/// Wall time between two pieces of an answer.
pub const BETWEEN_BYTES_MAX: Duration = Duration::from_secs(30);
/// Bytes of Docker's `config.json`.
pub const DOCKER_CONFIG_BYTES_MAX: usize = MIB;
/// Bytes that a credential helper may print.
pub const HELPER_BYTES_MAX: usize = 64 * KIB;
/// Wall time of a credential helper, which may have to ask somebody.
pub const HELPER_MAX: Duration = Duration::from_secs(60);
/// Bytes of a file of keys.
pub const KEY_BYTES_MAX: usize = 64 * KIB;
/// Files of an archive. One plugin has six.
pub const ARCHIVE_FILES_MAX: usize = 4096;
/// Bytes of all files of an archive together.
pub const ARCHIVE_BYTES_MAX: u64 = 1 << 30;
