//! The spool: what was sealed is opened if it is what was put there, and never otherwise; and whatever was
//! sealed with the right key is opened or said to be broken, without showing any of it.

use crate::edits::edited;
use crate::home::Home;
use crate::input::Input;
use crate::said::{self, CANARY};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use coffer_host::Secret;
use kept::{Spool, SpoolError, Spooled};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

/// The spool's own source, whose putting and getting is nobody's but its crate's.
#[path = "../../../../host/coffer-bundle/src/spool.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is taken in to be fed, and only in part")]
mod kept;

struct Kept {
    _directory: TempDir,
    spool: Spool,
    sealed: PathBuf,
    good: Vec<u8>,
    key: LessSafeKey,
}

const RUN: &str = "run1";

static KEPT: LazyLock<Kept> = LazyLock::new(|| {
    let directory = TempDir::new().unwrap();
    let home = Home::open(directory.path()).unwrap();
    let spool = Spool::open(&home).unwrap();
    let spooled = Spooled {
        exit_code: Some(0),
        status: "succeeded".into(),
        message: None,
        plain: BTreeMap::from([("plain".into(), "text".into())]),
        store: "store".into(),
        sensitive: BTreeMap::from([("secret".into(), Secret::from(CANARY))]),
    };
    spool.put(RUN, &spooled).unwrap();
    let sealed = directory.path().join("spool").join(RUN);
    let good = fs::read(&sealed).unwrap();
    let key = UnboundKey::new(&AES_256_GCM, &*home.key("spool").unwrap()).unwrap();
    Kept { _directory: directory, spool, sealed, good, key: LessSafeKey::new(key) }
});

pub(crate) fn spool(data: &[u8]) {
    let Kept { spool, sealed, good, key, .. } = &*KEPT;
    let mut input = Input::new(data);
    let (bytes, is_sealed) = match input.byte() % 3 {
        0 => (input.rest().to_vec(), false),
        1 => (edited(good, input), false),
        _ => (seal(key, input.rest()), true),
    };
    fs::write(sealed, &bytes).unwrap();
    match spool.get(RUN) {
        Ok(Some(spooled)) if is_sealed => {
            let debug = format!("{spooled:?}");
            for secret in spooled.sensitive.values() {
                let shown = secret.expose_text().filter(|text| text.len() > 64);
                assert!(shown.is_none_or(|text| !debug.contains(text)));
            }
        }
        Ok(Some(spooled)) => {
            assert!(bytes == *good, "something else was opened");
            assert_eq!(spooled.sensitive["secret"].expose(), CANARY.as_bytes());
        }
        Ok(None) => panic!("it is there"),
        Err(error @ SpoolError::Broken { .. }) => {
            assert!(bytes != *good, "what was put there is not opened");
            said::explained(&error);
        }
        Err(error) => panic!("{error}"),
    }
}

fn seal(key: &LessSafeKey, plain: &[u8]) -> Vec<u8> {
    let nonce = [7; 12];
    let mut bytes = plain.to_vec();
    let aad = Aad::from(RUN.as_bytes());
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes).unwrap();
    [&nonce[..], &bytes].concat()
}
