//! A program that keeps its secrets with a plugin that it does not have to trust. `cargo test` runs it.

use coffer_host::grants::Reference;
use coffer_host::{Existing, Granted, Host, Secret, StoreConfig};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The component's bytes, from wherever the program has them. Nothing of it runs yet.
    let host = Host::builder().build()?;
    let plugin = host.load(&guest_artifacts::plugin("filesystem"))?;

    // It sees one directory, as `/secrets`. No network, no variable, no command, no other file.
    let directory = tempfile::tempdir()?;
    let grants = serde_json::from_value(json!({ "directories": [
        { "host": directory.path(), "guest": "/secrets", "access": "read-write" },
    ] }))?;
    let config = StoreConfig { grants: Granted::Only(grants), ..StoreConfig::default() };
    let store = host.store("local", &plugin, config)?;

    // Each call runs in a fresh sandbox that ends within five seconds.
    let password = Reference::secret("database/password")?;
    store.put(&password, &Secret::from("hunter2"), Existing::Keep).await?;
    let secret = store.resolve_one(&password).await?;
    assert_eq!(secret.expose_text(), Some("hunter2"));
    assert_eq!(store.list("database/").await?, ["database/password"]);

    // An error says what was asked, what stopped it, whose fault it is and what to do.
    let error = store.put(&password, &secret, Existing::Keep).await.err().ok_or("it is there")?;
    assert_eq!(coffer_host::Explain::blame(&error), coffer_host::Blame::Requester);
    Ok(())
}
