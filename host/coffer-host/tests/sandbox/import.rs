//! Imports: what a guest in another language drags in is empty or denies, and what nobody offers is
//! refused when the plugin is loaded.

use crate::stage::{Stage, ask, contains, host, refused};
use coffer_host::limits::{HANDLES_MAX, RANDOM_BYTES_MAX};
use coffer_host::{Blame, Need};
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
