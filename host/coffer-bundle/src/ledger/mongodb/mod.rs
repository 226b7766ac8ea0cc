//! The ledger on MongoDB, on servers of any kind: nothing here needs transactions of several documents.
//!
//! Documents are never changed. An installation or a set is a document of `ledger` for each of its versions,
//! of which the last counts, with its lease, its secrets and everything else that changes together. Its runs
//! can outgrow a document, so each is a document of `runs`, which counts when that one names it. So every
//! step ends with the insertion of the next version, which one of many does: its name is taken then. An update
//! on condition would do on MongoDB, and not on FerretDB, where it is no single step.
//!
//! What a step does is written in SQL, once for all ledgers. Here it is done to tables in memory, with the
//! same schema and all that it refuses, which are filled from the documents and become documents again.

mod bson;
mod pieces;
mod scram;
mod wire;

use super::sql::Transaction;
use super::{LedgerError, MIGRATIONS, Part, Table};
use crate::config::Storage;
use pieces::{Owner, Pieces};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::Instant;
use wire::{Connection, Server};

type Document = Map<String, Value>;

/// A database, and the connection that was used last.
#[derive(Debug)]
pub(super) struct Mongodb {
    server: Server,
    /// Taken by whoever uses it and put back when that ended well.
    connection: Option<Connection>,
}

impl Mongodb {
    /// Connects, and says which version of the ledger this is unless somebody did.
    pub(super) async fn open(storage: &Storage) -> Result<Self, LedgerError> {
        let (mut mongodb, found) = Self::connect(storage).await?;
        if found == 0 {
            let version = json!({ "_id": "ledger", "version": MIGRATIONS.len() });
            let insert = json!({
                "insert": "migrations", "documents": [version], "writeConcern": write_concern(),
            });
            let mut connection = mongodb.connection().await?;
            // If somebody else was faster, theirs stays.
            connection.command(&mongodb.server.database, insert).await?;
            mongodb.connection = Some(connection);
        }
        Ok(mongodb)
    }

    /// Connects, and says which version the documents are of; 0 if there are none.
    pub(super) async fn connect(storage: &Storage) -> Result<(Self, u32), LedgerError> {
        let server = server(storage, "coffer")?;
        let mut connection = server.connect().await?;
        let found = connection.find(&server.database, "migrations", json!({})).await?;
        let found = match found.first() {
            Some(document) => document.get("version").and_then(Value::as_u64).ok_or_else(bad)?,
            None => 0,
        };
        let (known, found) = (MIGRATIONS.len() as u32, u32::try_from(found).unwrap_or(u32::MAX));
        if found > known {
            return Err(LedgerError::Newer { found, known });
        }
        Ok((Self { server, connection: Some(connection) }, found))
    }

    /// As [`Ledger::transaction`](super::Ledger::transaction). It is done again if somebody else changed the
    /// same document meanwhile, or the connection was lost, for as long as a command may take.
    pub(super) async fn transaction<T>(
        &mut self,
        part: Part<'_>,
        act: impl AsyncFn(&mut Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let begun = Instant::now();
        let token = token();
        let mut unsure = None;
        loop {
            let error = match self.attempt(part, &token, &mut unsure, &act).await {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => LedgerError::Unreachable("others change the same all the time".into()),
                Err(error) => error,
            };
            match error {
                LedgerError::Unreachable(_) if begun.elapsed() < self.server.timeout => {
                    tokio::time::sleep(pause()).await;
                }
                LedgerError::Unreachable(why) if unsure.is_some() => {
                    return Err(LedgerError::Unknown(why));
                }
                error => return Err(error),
            }
        }
    }

    /// Tries once; `None` if somebody else was faster. `unsure` is what an earlier try did if nobody knows
    /// whether that was written.
    async fn attempt<T>(
        &mut self,
        part: Part<'_>,
        token: &str,
        unsure: &mut Option<T>,
        act: &impl AsyncFn(&mut Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<Option<T>, LedgerError> {
        let mut connection = self.connection().await?;
        let database = &self.server.database;
        let now = now_ms(&mut connection).await?;
        let Some(mut pieces) = load(&mut connection, database, part).await? else {
            self.connection = Some(connection);
            return Ok(None);
        };
        if unsure.is_some() && pieces.owners.iter().any(|owner| owner.has_committed(token)) {
            self.connection = Some(connection);
            return Ok(unsure.take());
        }
        let mut tables = pieces.tables()?;
        let done = match act(&mut Transaction::Sqlite(&mut tables, Some(now))).await {
            Ok(done) => done,
            Err(error) => {
                self.connection = Some(connection);
                return Err(error);
            }
        };
        let Some(changed) = pieces.change(&tables, token)? else {
            self.connection = Some(connection);
            return Ok(Some(done));
        };
        let written = write(&mut connection, database, &changed, token).await;
        match written {
            Ok(true) => {
                self.connection = Some(connection);
                Ok(Some(done))
            }
            Ok(false) => {
                self.connection = Some(connection);
                // It may be an earlier try of this step that was faster.
                if unsure.is_some() {
                    *unsure = Some(done);
                }
                Ok(None)
            }
            Err(error) => {
                if matches!(error, LedgerError::Unreachable(_)) {
                    *unsure = Some(done);
                }
                Err(error)
            }
        }
    }

    /// As [`Ledger::look`](super::Ledger::look). What belongs to one installation or set is of one moment.
    pub(super) async fn look<T>(
        &mut self,
        part: Part<'_>,
        act: impl AsyncFn(&mut Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let begun = Instant::now();
        loop {
            let error = match self.read(part).await {
                Ok(Some((mut pieces, now))) => {
                    let mut tables = pieces.tables()?;
                    return act(&mut Transaction::Sqlite(&mut tables, Some(now))).await;
                }
                Ok(None) => LedgerError::Unreachable("others change the same all the time".into()),
                Err(error) => error,
            };
            if begun.elapsed() >= self.server.timeout
                || !matches!(error, LedgerError::Unreachable(_))
            {
                return Err(error);
            }
            tokio::time::sleep(pause()).await;
        }
    }

    /// As [`Ledger::dump`](super::Ledger::dump): the tables that the documents are.
    pub(super) async fn dump(&mut self) -> Result<Vec<Table>, LedgerError> {
        let begun = Instant::now();
        loop {
            match self.read(Part::All).await {
                Ok(Some((mut pieces, _))) => return super::dump(&pieces.tables()?),
                Ok(None) if begun.elapsed() < self.server.timeout => {}
                Ok(None) => {
                    let why = "others change the same all the time".into();
                    return Err(LedgerError::Unreachable(why));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&mut self, part: Part<'_>) -> Result<Option<(Pieces, i64)>, LedgerError> {
        let mut connection = self.connection().await?;
        let now = now_ms(&mut connection).await?;
        let pieces = load(&mut connection, &self.server.database, part).await?;
        self.connection = Some(connection);
        Ok(pieces.map(|pieces| (pieces, now)))
    }

    async fn connection(&mut self) -> Result<Connection, LedgerError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.server.connect().await,
        }
    }
}

fn server(storage: &Storage, unnamed: &str) -> Result<Server, LedgerError> {
    let url = storage.url.as_ref().ok_or(LedgerError::Url("it is missing"))?;
    Server::new(url, storage.timeout.unwrap_or(TIMEOUT), unnamed)
}

/// Every document of some collections of a database that need not be a ledger. It is `unnamed` where the URL has none.
pub(crate) async fn read_collections<const N: usize>(
    storage: &Storage,
    unnamed: &str,
    collections: &[&str; N],
) -> Result<[Vec<Document>; N], LedgerError> {
    let server = server(storage, unnamed)?;
    let mut connection = server.connect().await?;
    let mut read = [const { Vec::new() }; N];
    for (documents, collection) in read.iter_mut().zip(collections) {
        *documents = connection.find(&server.database, collection, json!({})).await?;
    }
    Ok(read)
}

/// Puts documents into a database, for the tests of those that are not a ledger.
#[cfg(test)]
#[allow(dead_code, reason = "the tests on servers need it")]
pub(crate) async fn insert_documents(
    storage: &Storage,
    unnamed: &str,
    collection: &str,
    documents: &[Value],
) -> Result<(), LedgerError> {
    let server = server(storage, unnamed)?;
    let insert = json!({ "insert": collection, "documents": documents });
    server.connect().await?.command(&server.database, insert).await.map(drop)
}

/// The documents of a part; `None` if a run was replaced while they were read.
async fn load(
    connection: &mut Connection,
    database: &str,
    part: Part<'_>,
) -> Result<Option<Pieces>, LedgerError> {
    let filter = match part {
        Part::All => json!({}),
        Part::Installation { namespace, name } => json!({ "key": key(&["", namespace, name]) }),
        Part::Set { kind, namespace, name } => json!({ "key": key(&[kind, namespace, name]) }),
        Part::Subject(id) => of_keys(connection, database, json!({ "subject": id })).await?,
        Part::Secret(address) => {
            of_keys(connection, database, json!({ "secrets.key": address.key })).await?
        }
        Part::Run(run) => {
            let runs = connection.find(database, "runs", json!({ "run": run })).await?;
            let subjects: Vec<&Value> = runs.iter().filter_map(|run| run.get("subject")).collect();
            of_keys(connection, database, json!({ "subject": { "$in": subjects } })).await?
        }
    };
    let found = connection.find(database, "ledger", filter).await?;
    let mut owners = pieces::latest(found).ok_or_else(bad)?;
    if let Part::Subject(id) = part {
        // Another one may have its name by now.
        owners.retain(|owner| owner.subject() == id);
    }
    let named: Vec<&str> = owners.iter().flat_map(Owner::runs).collect();
    let runs = if named.is_empty() {
        Vec::new()
    } else {
        let filter = match part {
            Part::All => json!({}),
            _ => json!({ "_id": { "$in": named } }),
        };
        connection.find(database, "runs", filter).await?
    };
    Ok(Pieces::new(owners, runs))
}

/// Every version of what has one that a filter finds.
async fn of_keys(
    connection: &mut Connection,
    database: &str,
    filter: Value,
) -> Result<Value, LedgerError> {
    let found = connection.find(database, "ledger", filter).await?;
    let mut keys: Vec<&Value> = found.iter().filter_map(|document| document.get("key")).collect();
    keys.dedup();
    Ok(json!({ "key": { "$in": keys } }))
}

/// Writes what a step has changed: the runs first, then what makes them count, and then what does not count
/// any more goes. Says whether it counts, or somebody else was faster.
async fn write(
    connection: &mut Connection,
    database: &str,
    changed: &pieces::Changed,
    token: &str,
) -> Result<bool, LedgerError> {
    let pieces::Changed { owner, runs } = changed;
    if !runs.is_empty() {
        let insert =
            json!({ "insert": "runs", "documents": runs, "writeConcern": write_concern() });
        connection.command(database, insert).await?;
    }
    let insert =
        json!({ "insert": "ledger", "documents": [owner], "writeConcern": write_concern() });
    let answer = connection.command(database, insert).await?;
    if answer.get("n").and_then(Value::as_i64) != Some(1) {
        return Ok(false);
    }
    // The name is also free if this version was superseded and deleted long ago.
    let (key, version) = (&owner["key"], owner["version"].as_i64().unwrap_or_default());
    let found = connection.find(database, "ledger", json!({ "key": key })).await?;
    let latest = pieces::latest(found).ok_or_else(bad)?;
    if !latest.iter().any(|latest| latest.has_committed(token)) {
        return Ok(false);
    }
    // What others write now is based on this version or a later one, or will not count.
    let of_versions = json!({ "key": key, "version": { "$lt": version } });
    let of_runs = json!({
        "subject": owner["subject"], "base": { "$lt": version },
        "_id": { "$nin": pieces::named(owner) },
    });
    for (collection, filter) in [("ledger", of_versions), ("runs", of_runs)] {
        let delete = json!({ "delete": collection, "deletes": [{ "q": filter, "limit": 0 }] });
        // Whoever is next deletes it otherwise; nobody reads it.
        if let Err(error) = connection.command(database, delete).await {
            tracing::debug!("cannot delete what does not count any more: {error}");
            break;
        }
    }
    Ok(true)
}

/// The name of a document: no two installations or sets have one.
fn key(words: &[&str]) -> String {
    json!(words).to_string()
}

async fn now_ms(connection: &mut Connection) -> Result<i64, LedgerError> {
    let hello = connection.command("admin", json!({ "hello": 1 })).await?;
    if hello.get("isWritablePrimary") != Some(&Value::Bool(true)) {
        return Err(LedgerError::Unreachable("another server takes the writes now".into()));
    }
    hello.get("localTime").and_then(Value::as_i64).ok_or_else(bad)
}

fn bad() -> LedgerError {
    LedgerError::Sql("a document is not as the ledger writes it".into())
}

/// What was written is there after a power cut, and after another server has taken over.
fn write_concern() -> Value {
    json!({ "w": "majority", "j": true })
}

fn token() -> String {
    let mut random = [0; 16];
    crate::random::fill(&mut random).expect("the operating system gives random bytes");
    format!("{:032x}", u128::from_be_bytes(random))
}

/// Not the same for two that are in each other's way.
fn pause() -> Duration {
    let mut random = [0];
    crate::random::fill(&mut random).expect("the operating system gives random bytes");
    Duration::from_millis(20 + u64::from(random[0]) / 2)
}

/// How long a server may take for one step, unless the configuration says otherwise. As Porter's.
const TIMEOUT: Duration = Duration::from_secs(10);
