//! The run of a bundle: install, upgrade, uninstall, or an action of its own.
//!
//! What is refused is refused before anything is written; what is written is in the ledger as an intent
//! before it is in a store; what the bundle has produced is in the spool before a store is asked. So a
//! process that is killed anywhere leaves a ledger that says what is left to do, and [`Runner::recover`]
//! does it.

mod deletion;
mod failure;
mod masked;
mod outputs;
mod plan;
mod recovery;
mod sets;

pub use failure::RunFailure;
pub use recovery::{Recovered, Recovery};

use crate::driver::{Driver, DriverError, Ended, Image, Machine, Operation, Scratch};
use crate::ledger::{Address, Beginning, Kept, Lease, Ledger, LedgerError, RENEWAL, State};
use crate::ledger::{Installation, Run, Status};
use crate::name::Name;
use crate::package::Package;
use crate::spool::Spool;
use crate::stores::Stores;
use coffer_host::grants::Reference;
use coffer_host::{CallError, Existing, Mask, Secret, Store};
use futures_util::{StreamExt as _, stream};
use masked::Masked;
use plan::{Input, Plan};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;
use ulid::Ulid;

/// Secrets that are put or deleted at the same time.
const CONCURRENCY: usize = 8;

/// What a run needs of the world.
pub struct Runner<'a> {
    /// What was installed, and where its values are.
    pub ledger: &'a Ledger,
    /// Where the values go.
    pub stores: &'a Stores,
    /// Where outputs wait for their store.
    pub spool: &'a Spool,
    /// Where native drivers have files.
    pub scratch: &'a Scratch,
    /// Where native drivers are searched.
    pub path: Option<OsString>,
    /// Is told of each step.
    pub watch: &'a (dyn Fn(&Step) + Sync),
}

/// What a run is asked for.
pub struct Request {
    /// `install`, `upgrade`, `uninstall`, or an action of the bundle.
    pub action: String,
    /// The namespace; empty for the one that has no name.
    pub namespace: String,
    /// The name; the bundle's if it is absent.
    pub name: Option<Name>,
    /// The bundle; the one of the last run if it is absent.
    pub package: Option<Package>,
    /// The parameters that were given, as bytes.
    pub parameters: BTreeMap<String, Secret>,
    /// The parameter sets, the last of which wins; those of the last run if it is absent.
    pub parameter_sets: Option<Vec<Name>>,
    /// The credential sets, the last of which wins; those of the last run if it is absent.
    pub credential_sets: Option<Vec<Name>>,
    /// What runs it; what the bundle is made for if it is absent.
    pub driver: Option<Driver>,
}

/// Where the output of the entry point goes, with every secret hidden.
pub struct Streams {
    /// Its standard output.
    pub stdout: Box<dyn Write + Send>,
    /// Its standard error.
    pub stderr: Box<dyn Write + Send>,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The run.
    pub run: String,
    /// The namespace of the installation.
    pub namespace: String,
    /// The installation.
    pub installation: String,
    /// The names of the outputs that it produced.
    pub outputs: Vec<String>,
}

/// A step of a run. Each is told when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A secret is deleted from a store.
    Delete(String),
    /// The run is over and is about to be recorded.
    Finish,
    /// The ledger is told what will be put into stores.
    Intend,
    /// A secret is put into a store.
    Put(String),
    /// What a killed process left is put right.
    Recover(String),
    /// Credentials and parameters are resolved.
    Resolve,
    /// The entry point runs.
    Run,
    /// The outputs are sealed into the spool.
    Spool,
    /// The ledger is told that the run starts.
    Start,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete(key) => write!(f, "deleting the secret {key}"),
            Self::Finish => f.write_str("recording the result"),
            Self::Intend => f.write_str("recording what will be written"),
            Self::Put(key) => write!(f, "writing the secret {key}"),
            Self::Recover(run) => write!(f, "putting right what run {run} left"),
            Self::Resolve => f.write_str("resolving credentials and parameters"),
            Self::Run => f.write_str("running the bundle"),
            Self::Spool => f.write_str("sealing the outputs"),
            Self::Start => f.write_str("recording the start"),
        }
    }
}

impl Runner<'_> {
    /// Runs a bundle once. `cancelled` stops the entry point; what was begun is put in order all the same.
    ///
    /// # Errors
    ///
    /// [`RunFailure`] says what stopped it, and whether the entry point ran.
    pub async fn run(
        &self,
        mut request: Request,
        streams: Streams,
        cancelled: impl Future<Output = ()>,
    ) -> Result<Report, RunFailure> {
        let namespace = request.namespace.clone();
        let name = name(&request)?;
        let known = match self.find(&namespace, &name).await? {
            Some(installation) => {
                self.recover_subject(&installation.id).await?;
                self.ledger.runs(&installation.id).await?
            }
            None => Vec::new(),
        };
        let installation = self.installation(&request, &name, &known).await?;
        let package = match request.package.take() {
            Some(package) => package,
            None => last_package(request.driver.as_ref(), known.first())?,
        };
        package.bundle().check_action(&request.action)?;
        let driver = request.driver.clone().unwrap_or_else(|| package.driver());
        let image = package.image(&driver)?;

        let run = new_id();
        let choices = self.choose(&request, &package, installation.as_ref(), &namespace).await?;
        let store = self.keeper(&choices, &package, &request.action).await?;
        driver.check(&self.machine(), &image).await?;
        (self.watch)(&Step::Resolve);
        let plan = self.resolve(choices, &run, store.name()).await?;

        let digest = package.digest(&image);
        let bundle = package.bundle().redacted();
        let intents = plan.intents();
        (self.watch)(&Step::Intend);
        let lease = self
            .ledger
            .begin(&Beginning {
                namespace: &namespace,
                name: name.as_str(),
                run: &run,
                action: &request.action,
                driver: &driver.to_string(),
                bundle: &bundle,
                bundle_path: &package.path().to_string_lossy(),
                bundle_digest: &digest,
                intents: &intents,
                known: &known,
            })
            .await?;
        self.prepare(&lease, &store, &plan).await?;

        (self.watch)(&Step::Run);
        let operation = operation(&request.action, &name, &namespace, &run, &package, image, &plan);
        let mask = Mask::new(plan.secrets());
        let (stdout, stderr) =
            (Masked::new(&mask, streams.stdout), Masked::new(&mask, streams.stderr));
        let writers: [Box<dyn Write + Send>; 2] =
            [Box::new(stdout.clone()), Box::new(stderr.clone())];
        let ended = self.drive(&lease, &driver, operation, writers, cancelled).await;
        stdout.finish();
        stderr.finish();
        self.conclude(&lease, &store, &package, &request.action, &mask, ended)
            .await
            .map(|outputs| Report { run, namespace, installation: name.to_string(), outputs })
    }

    async fn find(
        &self,
        namespace: &str,
        name: &Name,
    ) -> Result<Option<Installation>, LedgerError> {
        match self.ledger.installation(namespace, name.as_str()).await {
            Ok(installation) => Ok(Some(installation)),
            Err(LedgerError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The installation as it is, if the action fits it.
    async fn installation(
        &self,
        request: &Request,
        name: &Name,
        known: &[Run],
    ) -> Result<Option<Installation>, RunFailure> {
        // One whose installation failed can be tried again.
        let was_installed = known.iter().any(|run| run.status == Status::Succeeded);
        let found = self.find(&request.namespace, name).await?;
        match (&found, request.action.as_str()) {
            (Some(Installation { state: State::Active, .. }), "install") if was_installed => {
                Err(RunFailure::Installed { name: name.to_string() })
            }
            (_, "install") | (Some(Installation { state: State::Active, .. }), _) => Ok(found),
            (Some(Installation { state: State::Deleting, .. }), _) => {
                Err(LedgerError::Deleting.into())
            }
            (None | Some(Installation { state: State::Uninstalled, .. }), action) => {
                Err(RunFailure::NotInstalled { action: action.to_owned(), name: name.to_string() })
            }
        }
    }

    /// Puts the parameters into their store and records the start; or takes everything back.
    async fn prepare(&self, lease: &Lease, store: &Store, plan: &Plan) -> Result<(), RunFailure> {
        let puts: Vec<_> = plan.puts().collect();
        let failures = self.put_all(store, &puts).await;
        if !failures.is_empty() {
            self.take_back(lease, store, plan).await?;
            return Err(RunFailure::Save { what: "param", failures });
        }
        (self.watch)(&Step::Start);
        let overrides = plan.overrides();
        match self.ledger.start(lease, &plan.records(), &overrides, &plan.sets).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.take_back(lease, store, plan).await?;
                Err(error.into())
            }
        }
    }

    /// Deletes what a run intended to put, and takes the run back. What cannot be deleted now is doomed.
    async fn take_back(&self, lease: &Lease, store: &Store, plan: &Plan) -> Result<(), RunFailure> {
        let mut left = Vec::new();
        let intended = match self.ledger.renew(lease).await {
            // Whoever took the run over has taken it back already, before this process put anything.
            Err(LedgerError::LostLease) => plan.intents(),
            Ok(()) => self.ledger.intended(lease.run()).await?,
            // A start that failed when it was synced may be there for the next process that opens the ledger.
            // Unless it is written over, as here, only that process knows what can be deleted.
            Err(error) => return Err(error.into()),
        };
        for address in intended {
            (self.watch)(&Step::Delete(address.key.clone()));
            let reference = key_of(&address);
            if store.delete(&reference).await.is_err() {
                left.push(address);
            }
        }
        Ok(self.ledger.take_back(lease, &left).await?)
    }

    /// Runs the entry point, and says meanwhile that this process is still there.
    async fn drive(
        &self,
        lease: &Lease,
        driver: &Driver,
        operation: Operation,
        [stdout, stderr]: [Box<dyn Write + Send>; 2],
        cancelled: impl Future<Output = ()>,
    ) -> Result<Ended, DriverError> {
        let machine = self.machine();
        let running = driver.run(&machine, operation, stdout, stderr, cancelled);
        // Beside the driver, which goes on while the ledger is waited for.
        let renewing = async {
            let mut renewal = tokio::time::interval(RENEWAL);
            loop {
                renewal.tick().await;
                // If the lease was lost, the outputs are kept in the spool when the run ends.
                if let Err(error) = self.ledger.renew(lease).await {
                    tracing::warn!("cannot renew the lease: {error}");
                }
            }
        };
        tokio::select! {
            ended = running => ended,
            () = renewing => unreachable!("it has no end"),
        }
    }

    /// Puts `secrets` into a store, several at a time, and returns what went wrong.
    async fn put_all(&self, store: &Store, secrets: &[(Address, &Secret)]) -> Vec<CallError> {
        let puts = secrets.iter().map(|(address, secret)| {
            let reference = key_of(address);
            async move {
                (self.watch)(&Step::Put(address.key.clone()));
                store.put(&reference, secret, Existing::Replace).await
            }
        });
        let puts: Vec<_> = puts.collect();
        let answers: Vec<_> = stream::iter(puts).buffered(CONCURRENCY).collect().await;
        answers.into_iter().filter_map(Result::err).collect()
    }

    fn machine(&self) -> Machine<'_> {
        Machine { host: self.stores.host(), scratch: self.scratch, path: self.path.clone() }
    }
}

fn name(request: &Request) -> Result<Name, RunFailure> {
    match (&request.name, &request.package) {
        (Some(name), _) => Ok(name.clone()),
        (None, Some(package)) => Ok(package.bundle().name().parse()?),
        (None, None) => Err(RunFailure::NoName),
    }
}

/// The bundle of the last run, if it is still the same.
fn last_package(driver: Option<&Driver>, last: Option<&Run>) -> Result<Package, RunFailure> {
    let last = last.ok_or(RunFailure::NoBundle)?;
    let package = Package::read(Path::new(&last.bundle_path))?;
    let driver = driver.cloned().unwrap_or_else(|| package.driver());
    if package.digest(&package.image(&driver)?) != last.bundle_digest {
        return Err(RunFailure::Changed { path: last.bundle_path.clone() });
    }
    Ok(package)
}

fn operation(
    action: &str,
    name: &Name,
    namespace: &str,
    run: &str,
    package: &Package,
    image: Image,
    plan: &Plan,
) -> Operation {
    let bundle = package.bundle();
    let mut operation = Operation {
        action: action.to_owned(),
        installation: name.to_string(),
        namespace: namespace.to_owned(),
        run: run.to_owned(),
        bundle: bundle.document().clone(),
        image,
        parameters: BTreeMap::new(),
        environment: BTreeMap::new(),
        files: BTreeMap::new(),
        outputs: BTreeMap::new(),
    };
    for Input { name, value, bytes, environment, path, .. } in &plan.inputs {
        if let Some(value) = value {
            operation.parameters.insert(name.clone(), value.clone());
        }
        if let Some(variable) = environment {
            operation.environment.insert(variable.clone(), bytes.clone());
        }
        if let Some(path) = path {
            operation.files.insert(path.clone(), bytes.clone());
        }
    }
    for (name, output) in bundle.outputs().iter().filter(|(_, output)| output.applies(action)) {
        operation.outputs.insert(output.path.clone(), name.clone());
    }
    operation
}

/// A new ULID, in lower case: Azure and Kubernetes have no other letters.
fn new_id() -> String {
    let mut random = [0; 16];
    crate::random::fill(&mut random).expect("the operating system gives random bytes");
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Ulid::from_parts(milliseconds, u128::from_be_bytes(random)).to_string().to_lowercase()
}

/// The reference of a secret of ours. The ledger has only keys that were references.
fn key_of(address: &Address) -> Reference {
    Reference::secret(address.key.as_str()).expect("the key was checked when it was made")
}

/// What is kept where, for a new secret.
fn kept(address: &Address) -> Kept {
    Kept::Secret(address.clone())
}

impl fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

/// Shows no parameter.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("action", &self.action).finish_non_exhaustive()
    }
}
