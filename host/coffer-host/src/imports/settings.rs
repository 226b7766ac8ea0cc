//! `wasi:config/store`: the store's settings, without its credentials.

use super::State;
use crate::bindings::wasi::config::store::{Error, Host};

impl Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        let setting = self.confines.settings.iter().find(|(name, _)| *name == key);
        Ok(Ok(setting.map(|(_, text)| text.clone())))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        Ok(Ok(self.confines.settings.clone()))
    }
}
