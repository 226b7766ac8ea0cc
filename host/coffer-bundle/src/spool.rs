//! The spool: outputs that a bundle has produced and that are not in their store yet, sealed with a key of
//! this machine. It is written before a store is asked to keep anything, and emptied when the ledger
//! refers to what the store keeps; so a password that a bundle made up survives a store that is down, a
//! full disk and a killed process.

use crate::home::{Home, HomeError};
use crate::random;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::fs::Dir;
use coffer_host::{Blame, Explain, Secret, durable};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use zeroize::{Zeroize, Zeroizing};

/// The spool. What is in it is nobody's business but a run's.
pub struct Spool {
    directory: Dir,
    key: LessSafeKey,
}

/// What one run left to be saved.
#[derive(Debug)]
pub(crate) struct Spooled {
    /// How it ended.
    pub(crate) exit_code: Option<i32>,
    /// The status that the run is to have.
    pub(crate) status: String,
    /// What is said of it.
    pub(crate) message: Option<String>,
    /// The outputs that can be shown.
    pub(crate) plain: BTreeMap<String, Value>,
    /// The store that the others go to.
    pub(crate) store: String,
    /// Those others: name and value.
    pub(crate) sensitive: BTreeMap<String, Secret>,
}

impl Spool {
    /// Opens the spool in coffer's own directory.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Home`] if its directory or its key cannot be made or read.
    pub fn open(home: &Home) -> Result<Self, SpoolError> {
        let key = home.key("spool")?;
        let key = UnboundKey::new(&AES_256_GCM, &*key).expect("the key has the algorithm's length");
        Ok(Self { directory: home.private("spool")?, key: LessSafeKey::new(key) })
    }

    /// Seals what `run` left, and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Io`]; nothing is in the spool then.
    pub(crate) fn put(&self, run: &str, spooled: &Spooled) -> Result<(), SpoolError> {
        let mut bytes = written(&Sealed::of(spooled));
        let mut nonce = [0; NONCE_BYTES];
        random::fill(&mut nonce).map_err(SpoolError::Io)?;
        // The run's id goes into the seal: one run's outputs cannot be passed off as another's.
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(run.as_bytes()),
                bytes.as_mut_slice(),
            )
            .expect("an output is far shorter than what the algorithm takes");
        let sealed = [&nonce[..], bytes.as_slice(), tag.as_ref()].concat();
        let unfinished = unfinished(run);
        let written = self.remove_file(&unfinished).and_then(|()| {
            durable::write(&self.directory, &unfinished, &sealed)?;
            self.directory.rename(&unfinished, &self.directory, run)?;
            durable::sync(&self.directory)
        });
        written.inspect_err(|_| drop(self.remove_file(&unfinished))).map_err(SpoolError::Io)
    }

    /// What `run` left, if it is in the spool.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Io`], or [`SpoolError::Broken`] if it was not sealed by this spool.
    pub(crate) fn get(&self, run: &str) -> Result<Option<Spooled>, SpoolError> {
        match self.directory.read(run) {
            Ok(sealed) => self.unseal(run, sealed).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Whole if its process was killed between its last byte and its name.
                let unfinished = self.directory.read(unfinished(run));
                Ok(unfinished.ok().and_then(|sealed| self.unseal(run, sealed).ok()))
            }
            Err(error) => Err(SpoolError::Io(error)),
        }
    }

    fn unseal(&self, run: &str, sealed: Vec<u8>) -> Result<Spooled, SpoolError> {
        let mut sealed = Zeroizing::new(sealed);
        let broken = || SpoolError::Broken { run: run.to_owned() };
        let (nonce, sealed) = sealed.split_at_mut_checked(NONCE_BYTES).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let bytes = self
            .key
            .open_in_place(nonce, Aad::from(run.as_bytes()), sealed)
            .map_err(|_| broken())?;
        let opened: Sealed = serde_json::from_slice(bytes).map_err(|_| broken())?;
        opened.open().ok_or_else(broken)
    }

    /// Forgets what `run` left: it is in its store, and the ledger says so. For good: what came back with a power
    /// cut after the installation was deleted would be a stranger.
    ///
    /// # Errors
    ///
    /// That of the operating system.
    pub(crate) fn remove(&self, run: &str) -> io::Result<()> {
        self.remove_file(run)?;
        self.remove_file(&unfinished(run))?;
        durable::sync(&self.directory)
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        match self.directory.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The runs that left something.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Io`].
    pub(crate) fn runs(&self) -> Result<Vec<String>, SpoolError> {
        let mut runs = Vec::new();
        for entry in self.directory.entries()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let run = name.strip_suffix(UNFINISHED).unwrap_or(name);
            if !run.contains('.') {
                runs.push(run.to_owned());
            }
        }
        runs.sort_unstable();
        runs.dedup();
        Ok(runs)
    }
}

/// As JSON. It is written twice, since a buffer that grows leaves copies of what it had behind: once to
/// know how long it is.
fn written(sealed: &Sealed) -> Zeroizing<Vec<u8>> {
    struct Length(usize);
    impl io::Write for Length {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut length = Length(0);
    serde_json::to_writer(&mut length, sealed).expect("the keys of every map are texts");
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *bytes, sealed).expect("the keys of every map are texts");
    bytes
}

/// The name while it is written.
fn unfinished(run: &str) -> String {
    format!("{run}{UNFINISHED}")
}

/// [`Spooled`] as it is written.
#[derive(Deserialize, Serialize)]
struct Sealed {
    exit_code: Option<i32>,
    status: String,
    message: Option<String>,
    plain: BTreeMap<String, Value>,
    store: String,
    /// Base64, for JSON has no bytes.
    sensitive: BTreeMap<String, String>,
}

impl Sealed {
    fn of(spooled: &Spooled) -> Self {
        let Spooled { exit_code, status, message, plain, store, sensitive } = spooled;
        Self {
            exit_code: *exit_code,
            status: status.clone(),
            message: message.clone(),
            plain: plain.clone(),
            store: store.clone(),
            sensitive: sensitive
                .iter()
                .map(|(name, secret)| (name.clone(), STANDARD.encode(secret.expose())))
                .collect(),
        }
    }

    fn open(mut self) -> Option<Spooled> {
        let sensitive = self
            .sensitive
            .iter()
            .map(|(name, text)| Some((name.clone(), Secret::new(STANDARD.decode(text).ok()?))))
            .collect::<Option<_>>()?;
        Some(Spooled {
            exit_code: self.exit_code,
            status: std::mem::take(&mut self.status),
            message: self.message.take(),
            plain: std::mem::take(&mut self.plain),
            store: std::mem::take(&mut self.store),
            sensitive,
        })
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.sensitive.values_mut().for_each(Zeroize::zeroize);
    }
}

/// Why the spool did not take or give something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// What is in the spool was not sealed by this machine's key, or was changed since.
    #[error(
        "what run {run} left in the spool cannot be opened: it was changed, or sealed with another key"
    )]
    Broken {
        /// The run.
        run: String,
    },
    /// Its directory cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// No run of the ledger left it.
    #[error("the ledger does not know run {run}, which left something in the spool")]
    Unknown {
        /// The run.
        run: String,
    },
    /// The disk refused.
    #[error("cannot use the spool: {0}")]
    Io(#[from] io::Error),
}

impl Explain for SpoolError {
    fn blame(&self) -> Blame {
        Blame::Operator
    }

    fn next(&self) -> String {
        match self {
            Self::Broken { run } => format!(
                "put back `keys/spool` in coffer's directory as it was, or give the values up by \
                 deleting `spool/{run}`"
            ),
            Self::Unknown { run } => format!(
                "put the ledger back that knows it, or give the values up by deleting `spool/{run}` in \
                 coffer's directory"
            ),
            Self::Home(error) => error.next(),
            Self::Io(_) => "make room on the disk, and run `coffer runs recover`".into(),
        }
    }
}

const UNFINISHED: &str = ".unfinished";
const NONCE_BYTES: usize = 12;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at files behind the handle's back")]
mod tests {
    use super::*;

    fn spooled() -> Spooled {
        Spooled {
            exit_code: Some(0),
            status: "succeeded".into(),
            message: None,
            plain: BTreeMap::from([("port".into(), Value::from(80))]),
            store: "filesystem".into(),
            sensitive: BTreeMap::from([("name".into(), Secret::new(b"canary\xff\0".to_vec()))]),
        }
    }

    fn home() -> (tempfile::TempDir, Home) {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        (directory, home)
    }

    #[test]
    fn what_goes_in_comes_out_and_is_sealed() {
        let (directory, home) = home();
        let spool = Spool::open(&home).unwrap();
        spool.put("run1", &spooled()).unwrap();
        spool.put("run1", &spooled()).unwrap();
        assert_eq!(spool.runs().unwrap(), ["run1"]);
        let bytes = std::fs::read(directory.path().join("spool/run1")).unwrap();
        for form in [&b"canary"[..], b"Y2FuYXJ5", b"filesystem", b"succeeded"] {
            assert!(!bytes.windows(form.len()).any(|window| window == form));
        }
        let opened = Spool::open(&home).unwrap().get("run1").unwrap().unwrap();
        assert_eq!(opened.sensitive, spooled().sensitive);
        assert_eq!(opened.plain, spooled().plain);
        spool.remove("run1").unwrap();
        assert!(spool.get("run1").unwrap().is_none());
        spool.remove("run1").unwrap();
    }

    #[test]
    fn what_was_changed_or_moved_is_not_opened() {
        let (directory, home) = home();
        let spool = Spool::open(&home).unwrap();
        spool.put("run1", &spooled()).unwrap();
        let path = |run: &str| directory.path().join("spool").join(run);
        let good = std::fs::read(path("run1")).unwrap();
        std::fs::write(path("run2"), &good).unwrap();
        for index in [0, NONCE_BYTES, good.len() - 1] {
            let mut bad = good.clone();
            bad[index] ^= 1;
            std::fs::write(path("run1"), bad).unwrap();
            assert!(matches!(spool.get("run1"), Err(SpoolError::Broken { .. })), "byte {index}");
        }
        std::fs::write(path("run1"), &good[..5]).unwrap();
        for run in ["run1", "run2"] {
            assert!(matches!(spool.get(run), Err(SpoolError::Broken { .. })), "{run}");
        }
    }
}
