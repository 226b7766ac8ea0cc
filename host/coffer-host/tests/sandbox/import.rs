//! Imports: what a guest in another language drags in is empty or denies, and what nobody offers is
//! refused when the plugin is loaded.

use crate::stage::{Stage, ask, contains, host, refused};
use coffer_host::limits::{HANDLES_MAX, RANDOM_BYTES_MAX};
use coffer_host::{Blame, Need};
use guest_artifacts::written;
use std::net::TcpListener;

guest_artifacts::foreach_import!(ran);

#[tokio::test]
async fn import_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let component = guest_artifacts::guest("import_sockets");
    let plugin = crate::way::load(&host(), &component).unwrap();
    let sockets = |name: &str| name.starts_with("wasi:sockets/");
    let mut imports = plugin.inspection().imports.iter().filter(|import| sockets(&import.name));
    assert!(imports.clone().count() > 3 && imports.all(|import| import.need == Need::Inert));
    // Granting everything that can be granted changes nothing.
    let store = Stage::with(component)
        .grants(serde_json::json!({ "http": [
            { "url": format!("http://127.0.0.1:{port}/**"), "methods": ["GET"], "private-addresses": true },
            { "url": "http://localhost/**", "methods": ["GET"], "private-addresses": true },
        ] }))
        .open();
    assert_eq!(ask(&store, port.to_string()).await.unwrap(), "[]");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
}

#[tokio::test]
async fn import_streams() {
    let store = Stage::of("import_streams").open();
    assert_eq!(ask(&store, "text for a terminal").await.unwrap(), "0");
}

#[tokio::test]
async fn import_exit() {
    let store = Stage::of("import_exit").open();
    let text = refused(ask(&store, "").await, "trap", Blame::Plugin);
    contains(&text, "it tried to end the process");
}

#[tokio::test]
async fn import_random() {
    let store = Stage::of("import_random").open();
    let most = RANDOM_BYTES_MAX.to_string();
    assert_eq!(ask(&store, most.as_str()).await.unwrap(), most);
    refused(ask(&store, (RANDOM_BYTES_MAX + 1).to_string()).await, "trap", Blame::Plugin);
    refused(ask(&store, "4000000000").await, "trap", Blame::Plugin);
}

#[tokio::test]
async fn import_handles() {
    let store = Stage::of("import_handles").open();
    // A pollable takes two places of the table.
    assert_eq!(ask(&store, "100").await.unwrap(), "100");
    let text = refused(ask(&store, (HANDLES_MAX + 1).to_string()).await, "trap", Blame::Plugin);
    contains(&text, "table has no free keys");
}

#[tokio::test]
async fn import_insecure() {
    let store = Stage::of("import_insecure").open();
    let most = RANDOM_BYTES_MAX.to_string();
    assert_eq!(ask(&store, most.as_str()).await.unwrap(), most);
    refused(ask(&store, (RANDOM_BYTES_MAX + 1).to_string()).await, "trap", Blame::Plugin);
}

#[tokio::test]
async fn import_zeroes() {
    let store = Stage::of("import_zeroes").open();
    assert_eq!(ask(&store, "65536").await.unwrap(), "true");
    for count in ["65537", "8589934592", "18446744073709551615"] {
        let text = refused(ask(&store, count).await, "trap", Blame::Plugin);
        contains(&text, "cannot write more zeroes");
    }
}

#[tokio::test]
async fn import_splice() {
    assert_eq!(ask(&Stage::of("import_splice").open(), "").await.unwrap(), "0");
}

#[tokio::test]
async fn import_stdin() {
    assert_eq!(ask(&Stage::of("import_stdin").open(), "").await.unwrap(), "0");
}

#[tokio::test]
async fn import_terminal() {
    let found = ask(&Stage::of("import_terminal").open(), "").await.unwrap();
    assert_eq!(found, "[false, false, false]");
}

#[tokio::test]
async fn import_poll() {
    let store = Stage::of("import_poll").open();
    assert_eq!(ask(&store, "10000").await.unwrap(), "10000");
    contains(&refused(ask(&store, "0").await, "trap", Blame::Plugin), "empty poll list");
}

/// What is written by hand under this name, with handles of clocks to play with.
pub(crate) fn with_handles(name: &str) -> Vec<u8> {
    let imports = r#"
        (import "wasi:io/poll@0.2.0" (instance $poll
          (export "pollable" (type $p (sub resource)))
          (export "[method]pollable.block" (func (param "self" (borrow $p))))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
          (alias outer 1 $pollable (type $p))
          (export "pollable" (type $q (eq $p)))
          (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
        (core func $drop (canon resource.drop $pollable))
        (core func $subscribe (canon lower (func $clock "subscribe-duration")))
        (core func $block (canon lower (func $poll "[method]pollable.block")))"#;
    let arguments = r#"(with "host" (instance
        (export "drop" (func $drop)) (export "subscribe" (func $subscribe)) (export "block" (func $block))))"#;
    written::with_imports(&written::text(name), imports, arguments)
}

#[tokio::test]
async fn import_handle_inside() {
    assert_eq!(
        ask(&Stage::with(with_handles("import_handle_inside")).open(), "").await.unwrap(),
        ""
    );
}

macro_rules! misused {
    ($($name:ident)*) => { $(
        #[tokio::test]
        async fn $name() {
            let store = Stage::with(with_handles(stringify!($name))).open();
            contains(&refused(ask(&store, "").await, "trap", Blame::Plugin), "unknown handle index");
        }
    )* };
}

misused! {
    import_handle_after
    import_handle_forged
    import_handle_twice
}
