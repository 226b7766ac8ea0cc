//! Sends a request while it is instantiated, before it is asked anything.

use coffer_plugin::{Error, Secret, http, settings};

#[expect(unsafe_code, reason = "what is called when a component is instantiated has this name")]
#[unsafe(export_name = "_initialize")]
extern "C" fn initialize() {
    if let Some(origin) = settings::get("origin") {
        // Whatever comes of it.
        let _ = http::get(&format!("{origin}/early")).send();
    }
}

fn resolve(_: &str) -> Result<Secret, Error> {
    Err(Error::NotFound)
}

guests::guest!(resolve);
