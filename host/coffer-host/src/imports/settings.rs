//! `wasi:config/store`: the store's settings, without its credentials.

use super::State;
use crate::bindings::wasi::config::store::{Error, Host};

impl Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        let setting = self.shared.settings.visible().find(|(name, _)| *name == key);
        Ok(Ok(setting.map(|(_, text)| text)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        let settings = self.shared.settings.visible();
        Ok(Ok(settings.map(|(name, text)| (name.to_owned(), text)).collect()))
    }
}
