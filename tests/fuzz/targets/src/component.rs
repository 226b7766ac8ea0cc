//! Components: any bytes, and a plugin that was changed here and there. What can be loaded is asked something.

use crate::edits::edited;
use crate::input::Input;
use crate::said;
use coffer_host::grants::{Reference, Source};
use coffer_host::limits::{COMPONENT_BYTES_MAX, INTERFACE_NAME_BYTES_MAX, INTERFACES_MAX, Limits};
use coffer_host::{Host, Inspection, StoreConfig};
use guest_artifacts::written;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;

static HOST: LazyLock<Host> = LazyLock::new(|| Host::builder().build().unwrap());
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
static SMALL: LazyLock<Vec<u8>> =
    LazyLock::new(|| written::plugin(r#"(memory (export "memory") 1)"#));
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| guest_artifacts::guest("result_says"));

pub(crate) fn component(data: &[u8]) {
    let mut input = Input::new(data);
    let bytes = match input.byte() % 4 {
        0 => input.rest().to_vec(),
        1 => [b"\0asm\x0d\0\x01\0", input.rest()].concat(),
        2 => edited(&SMALL, input),
        _ => edited(&WHOLE, input),
    };
    let inspection = match Inspection::of(&bytes) {
        Ok(inspection) => inspection,
        Err(error) => {
            said::explained(&error);
            assert!(HOST.load(&bytes).is_err());
            return;
        }
    };
    assert!(bytes.len() <= COMPONENT_BYTES_MAX && inspection.size == bytes.len());
    assert_eq!(inspection.digest.len(), "sha256:".len() + 64);
    let names = inspection.imports.iter().map(|import| &import.name).chain(&inspection.exports);
    assert!(names.clone().all(|name| name.len() <= INTERFACE_NAME_BYTES_MAX));
    assert!(names.count() <= 2 * INTERFACES_MAX);
    let plugin = match HOST.load(&bytes) {
        Ok(plugin) => plugin,
        Err(error) => {
            said::explained(&error);
            return;
        }
    };
    assert_eq!(plugin.inspection(), &inspection);
    let limits = Limits { call: Duration::from_millis(100), ..Limits::default() };
    let config = StoreConfig { limits, ..StoreConfig::default() };
    match HOST.store("fuzz", &plugin, config) {
        Ok(store) => {
            let references = [Reference::new(Source::Value, "k").unwrap()];
            for answer in RUNTIME.block_on(store.resolve(&references)) {
                match answer {
                    Ok(secret) => assert!(secret.expose().len() <= limits.answer),
                    Err(error) => drop(said::explained(&error)),
                }
            }
        }
        Err(error) => drop(said::explained(&error)),
    }
}
