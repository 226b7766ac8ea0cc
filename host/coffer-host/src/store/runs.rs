//! Where a store's instances run: in this process, or in workers of its own.

use crate::ambient;
use crate::asked::{Answered, ToInstance};
use crate::error::OpenError;
use crate::host::{Code, Host, Plugin};
use crate::imports::{Confines, Here, Outside, Shared, State};
use crate::limits::Limits;
use crate::sandbox::{Instance, Prepared, Ran};
#[cfg(target_os = "linux")]
use crate::worker::{Made, Shown, Workers};
use coffer_grants::{DirectoryPermit, Grants};
use std::sync::Arc;
use wasmtime_wasi::WasiCtx;

/// Where a store's instances run, with what they are given.
pub(super) enum Runs {
    #[cfg(target_os = "linux")]
    Apart(Box<Workers>),
    Here {
        prepared: Arc<Prepared>,
        confines: Arc<Confines>,
    },
}

impl Runs {
    /// Opens the granted directories, once. `settings` are those that the plugin may see.
    pub(super) fn open(
        host: &Host,
        plugin: &Plugin,
        store: &Arc<str>,
        grants: &Grants,
        limits: Limits,
        settings: Vec<(String, String)>,
    ) -> Result<Self, OpenError> {
        let unopened = |permit: &DirectoryPermit<'_>, source| OpenError::Directory {
            path: permit.grant().host().to_owned(),
            source,
        };
        Ok(match &plugin.0.code {
            #[cfg(target_os = "linux")]
            Code::Apart(code) => {
                let mut directories = Vec::new();
                for permit in grants.directories() {
                    let directory = ambient::open_directory(&permit)
                        .map_err(|source| unopened(&permit, source))?;
                    directories.push((directory, Shown::of(permit.grant())));
                }
                let launcher = host.0.launcher.as_ref().ok_or(OpenError::Workers)?;
                let concurrency = limits.concurrency.min(host.0.instances_max);
                Self::Apart(Box::new(Workers::new(Made {
                    launcher: Arc::clone(launcher),
                    store: Arc::clone(store),
                    capabilities: plugin.inspection().capabilities,
                    limits: Limits { concurrency, ..limits },
                    metered: host.0.observer.is_some(),
                    settings,
                    directories,
                    code: Arc::clone(code),
                })))
            }
            Code::Here(prepared) => {
                let mut directories = WasiCtx::builder();
                for permit in grants.directories() {
                    ambient::show_directory(&mut directories, &permit)
                        .map_err(|source| unopened(&permit, source))?;
                }
                let directories = directories.build().filesystem().clone();
                let metered = host.0.observer.is_some();
                let confines = Confines { limits, settings, directories, metered };
                Self::Here { prepared: Arc::clone(prepared), confines: Arc::new(confines) }
            }
        })
    }

    /// Asks one fresh instance, within the time of a call.
    pub(super) async fn ask(
        &self,
        host: &Host,
        shared: &Arc<Shared>,
        instance: ToInstance,
    ) -> Ran<Answered> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Apart(workers) => workers.ask(shared, instance).await,
            Self::Here { prepared, confines } => {
                let ToInstance { asked, variables, crossing_bytes, requests_max } = instance;
                let _running = host.0.ticker.run();
                let here = Here::begin(shared, requests_max);
                let outside = Outside::here(here.clone());
                let state = State::new(Arc::clone(confines), outside, &variables);
                drop(variables);
                let mut instance = Instance::new(&host.0.plugins, prepared, state, crossing_bytes);
                let answer = here.within(async { Ok(instance.ask(asked).await?) }).await;
                let ran = here.ran(answer, instance.take_sights(), instance.take_log());
                Ran { usage: confines.metered.then(|| instance.usage()), ..ran }
            }
        }
    }
}
