//! Compiled code on disk, so that a plugin is compiled once and not at every start.
//!
//! What lies there is native code, which the engine runs as it is. So an entry is used only if it
//! carries a signature made with a key that is kept elsewhere, over the code, the component it came
//! from and the engine it is for. Whatever is wrong with an entry (stale, foreign, cut short, tampered
//! with), the component is compiled again, as if there were none.

use crate::engine::Purpose;
use crate::limits;
use aws_lc_rs::{constant_time, hmac};
use cap_std::fs::{Dir, OpenOptions};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Entries that are kept. Beyond that the oldest go when one is added.
const ENTRIES_MAX: usize = 64;

/// Bytes of the signature at the beginning of an entry.
const SIGNATURE_BYTES: usize = 32;

/// What the names of entries end in.
const SUFFIX: &str = ".cwasm";

/// Where compiled code is kept.
pub(crate) struct CompiledCode {
    directory: Dir,
    key: hmac::Key,
}

impl CompiledCode {
    /// Keeps entries in `directory`, signed with `key`.
    pub(crate) fn new(directory: Dir, key: &[u8; 32]) -> Self {
        Self { directory, key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// The code of the component with `digest`, if there is an entry that can be trusted.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        purpose: Purpose,
        digest: &str,
    ) -> Option<Component> {
        debug_assert!(purpose != Purpose::Worker, "what a worker compiled is not for this process");
        let entry = self.code(engine, purpose, digest)?;
        #[expect(
            unsafe_code,
            reason = "the signature proves that this process's user compiled it for this engine, and the \
                      bytes that were checked are the bytes that are used"
        )]
        let component = unsafe { Component::deserialize(engine, &entry[SIGNATURE_BYTES..]) };
        component
            .inspect_err(|_| tracing::warn!(digest, "compiled code does not fit; compiling again"))
            .ok()
    }

    /// Code that a worker compiled, for a worker.
    pub(crate) fn load_for_worker(&self, engine: &Engine, digest: &str) -> Option<Vec<u8>> {
        let mut entry = self.code(engine, Purpose::Worker, digest)?;
        entry.drain(..SIGNATURE_BYTES);
        Some(entry)
    }

    /// An entry whose signature is right, with it.
    fn code(&self, engine: &Engine, purpose: Purpose, digest: &str) -> Option<Vec<u8>> {
        let context = context(engine, purpose, digest);
        let entry = self.read(&name(&context)).ok()?;
        let Some((signature, code)) = entry.split_at_checked(SIGNATURE_BYTES) else {
            tracing::warn!(digest, "compiled code is cut short; compiling again");
            return None;
        };
        let expected = self.signature(&context, code);
        if constant_time::verify_slices_are_equal(expected.as_ref(), signature).is_err() {
            tracing::warn!(digest, "compiled code is not what was put there; compiling again");
            return None;
        }
        Some(entry)
    }

    /// Keeps the code of the component with `digest`. That it could not be kept is no failure.
    pub(crate) fn save(&self, engine: &Engine, purpose: Purpose, digest: &str, code: &[u8]) {
        let context = context(engine, purpose, digest);
        let signature = self.signature(&context, code);
        if let Err(error) = self.write(&name(&context), &[signature.as_ref(), code]) {
            tracing::warn!(digest, %error, "compiled code cannot be kept; it will be compiled again");
        }
    }

    fn signature(&self, context: &str, code: &[u8]) -> hmac::Tag {
        let mut signed = hmac::Context::with_key(&self.key);
        signed.update(context.as_bytes());
        signed.update(&[0]);
        signed.update(code);
        signed.sign()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.directory.open(name)?;
        // At once, and one byte more, by which the end is seen. What is too large is cut below.
        let size = file.metadata()?.len().min(limits::COMPILED_BYTES_MAX);
        let mut entry = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
        file.take(limits::COMPILED_BYTES_MAX + SIGNATURE_BYTES as u64).read_to_end(&mut entry)?;
        Ok(entry)
    }

    fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        self.prune()?;
        // Moved into place, so that a reader sees a whole entry or none. Two processes that write at
        // the same time write the same.
        let temporary = format!("{name}.{}", std::process::id());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        cap_std::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = self.directory.open_with(&temporary, &options)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        drop(file);
        self.directory.rename(&temporary, &self.directory, name)
    }

    fn prune(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in self.directory.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.contains(SUFFIX)) {
                entries.push((entry.metadata()?.modified()?, name));
            }
        }
        if entries.len() >= ENTRIES_MAX {
            entries.sort();
            for (_, name) in &entries[..=entries.len() - ENTRIES_MAX] {
                // Another process may have removed it first.
                let _ = self.directory.remove_file(name);
            }
        }
        Ok(())
    }
}

/// The component that a worker compiled and that this worker is to run.
#[cfg(target_os = "linux")]
pub(crate) fn component_of_worker(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    #[expect(
        unsafe_code,
        reason = "this process is closed in: were the code not the compiler's, it could do in it what the \
                  plugin could after an escape, which is nothing"
    )]
    unsafe {
        Component::deserialize(engine, code)
    }
}

/// What an entry is for. Part of what is signed, so that an entry under another's name is refused.
fn context(engine: &Engine, purpose: Purpose, digest: &str) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("coffer-compiled-1 {} {digest} {:016x}", purpose.name(), hasher.finish())
}

fn name(context: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, context.as_bytes());
    let mut name = String::new();
    for byte in &digest.as_ref()[..16] {
        let _ = write!(name, "{byte:02x}");
    }
    name + SUFFIX
}
