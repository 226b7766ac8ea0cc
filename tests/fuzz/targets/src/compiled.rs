//! Entries of the compiled code: a plugin's own, as it was kept, changed, cut or replaced. Whatever was done to
//! it, the plugin is loaded, answers, and has its entry as it was.

use crate::edits::edited;
use crate::input::Input;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::grants::{Reference, Source};
use coffer_host::{Host, StoreConfig};
use guest_artifacts::written;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

struct Kept {
    _directory: TempDir,
    host: Host,
    plugin: Vec<u8>,
    entry: PathBuf,
    good: Vec<u8>,
}

static KEPT: LazyLock<Kept> = LazyLock::new(|| {
    let directory = TempDir::new().unwrap();
    let opened = Dir::open_ambient_dir(directory.path(), ambient_authority()).unwrap();
    let host = Host::builder().compiled_code(opened, &[7; 32]).build().unwrap();
    let plugin = written::plugin(r#"(memory (export "memory") 1)"#);
    host.load(&plugin).unwrap();
    let entry = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&entry).unwrap();
    Kept { _directory: directory, host, plugin, entry, good }
});

pub(crate) fn compiled(data: &[u8]) {
    let Kept { host, plugin, entry, good, .. } = &*KEPT;
    let mut input = Input::new(data);
    let bytes = match input.byte() % 3 {
        0 => input.rest().to_vec(),
        // A signature of the right length, and any code.
        1 => [&good[..32], input.rest()].concat(),
        _ => edited(good, input),
    };
    fs::write(entry, &bytes).unwrap();
    let inode = || fs::metadata(entry).unwrap().ino();
    let before = inode();
    let loaded = host.load(plugin).unwrap();
    // Written anew unless it is what was put there.
    assert_eq!(inode() == before, bytes == *good);
    assert!(fs::read(entry).unwrap() == *good);
    let store = host.store("fuzz", &loaded, StoreConfig::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reference = Reference::new(Source::Value, "k").unwrap();
    assert_eq!(runtime.block_on(store.resolve_one(&reference)).unwrap().expose(), b"");
}
