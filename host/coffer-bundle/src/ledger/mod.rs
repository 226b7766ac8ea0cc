//! The ledger: installations, their runs, and where the values of the runs are kept. It holds references
//! to what is sensitive, and its schema refuses anything else (`schema.sql`, `postgres.sql`).

mod deletion;
mod error;
mod health;
mod lease;
mod mongodb;
mod postgres;
mod record;
mod rows;
mod run;
mod server;
mod sets;
mod sql;

pub use error::LedgerError;
pub(crate) use health::Health;
pub use lease::Lease;
pub(crate) use lease::RENEWAL;
#[cfg(test)]
#[allow(unused_imports, reason = "the tests on servers need it")]
pub(crate) use mongodb::insert_documents;
pub(crate) use mongodb::read_collections;

pub use record::{Address, Installation, Kept, KeptSet, Run, State, Status};
pub(crate) use run::{Beginning, Ending};

use crate::config::{Storage, StorageKind};
use mongodb::Mongodb;
use postgres::Postgres;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use serde_json::{Map, Value};
use sql::{Cell, Row, Transaction};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

/// How long another process's transaction is waited for. They are a few rows each.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What made each version out of the one before. Append only.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// The ledger, wherever it is kept.
#[derive(Debug)]
pub struct Ledger(Keeper);

#[derive(Debug)]
enum Keeper {
    Mongodb(Mutex<Box<Mongodb>>),
    Postgres(Mutex<Box<Postgres>>),
    Sqlite(Mutex<Connection>),
}

/// What an operation is about, for a database that has it in pieces.
#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    All,
    Installation { namespace: &'a str, name: &'a str },
    Run(&'a str),
    Secret(&'a Address),
    Set { kind: &'a str, namespace: &'a str, name: &'a str },
    Subject(&'a str),
}

impl Ledger {
    /// Opens the ledger in a file, and makes it or brings it up to this version of coffer.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; nothing was changed then.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // FULL: what was committed before a store is asked to keep something must survive a power cut.
        // secure_delete: what was deleted is overwritten. trusted_schema: a ledger that somebody else
        // made runs none of its functions.
        connection.execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
             PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;",
        )?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(LedgerError::Mode(mode));
        }
        migrate(&mut connection)?;
        Ok(Self(Keeper::Sqlite(Mutex::new(connection))))
    }

    /// Opens the ledger on a server, and makes it or brings it up to this version of coffer. Any number
    /// of processes may do so at once.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; nothing was changed then.
    pub async fn connect(storage: &Storage) -> Result<Self, LedgerError> {
        match storage.kind {
            StorageKind::Postgresql => {
                let postgres = Postgres::open(storage).await?;
                Ok(Self(Keeper::Postgres(Mutex::new(Box::new(postgres)))))
            }
            StorageKind::Mongodb => {
                let mongodb = Mongodb::open(storage).await?;
                Ok(Self(Keeper::Mongodb(Mutex::new(Box::new(mongodb)))))
            }
            StorageKind::Sqlite => Err(LedgerError::Url("a file is no server")),
        }
    }

    /// Every row of every table, for people who want to see that there is no value in it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn dump(&self) -> Result<Vec<Table>, LedgerError> {
        match &self.0 {
            Keeper::Mongodb(mongodb) => mongodb.lock().await.dump().await,
            Keeper::Postgres(postgres) => postgres.lock().await.dump().await,
            Keeper::Sqlite(connection) => dump(&*connection.lock().await),
        }
    }

    /// Does `act` whole or not at all. Nobody else writes meanwhile. Where a server gives up on it, it is
    /// done again.
    async fn transaction<T>(
        &self,
        part: Part<'_>,
        act: impl AsyncFn(&mut Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        match &self.0 {
            Keeper::Mongodb(mongodb) => mongodb.lock().await.transaction(part, act).await,
            Keeper::Postgres(postgres) => postgres.lock().await.transaction(act).await,
            Keeper::Sqlite(connection) => {
                let connection = &mut *connection.lock().await;
                connection.execute_batch("BEGIN IMMEDIATE")?;
                let done = act(&mut Transaction::Sqlite(connection, None)).await;
                let done = done.and_then(|done| {
                    connection.execute_batch("COMMIT")?;
                    Ok(done)
                });
                if !connection.is_autocommit() {
                    connection.execute_batch("ROLLBACK")?;
                }
                done
            }
        }
    }

    /// Looks at something without changing it.
    async fn look<T>(
        &self,
        part: Part<'_>,
        act: impl AsyncFn(&mut Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        match &self.0 {
            Keeper::Mongodb(mongodb) => mongodb.lock().await.look(part, act).await,
            Keeper::Postgres(postgres) => postgres.lock().await.look(act).await,
            Keeper::Sqlite(connection) => {
                act(&mut Transaction::Sqlite(&mut *connection.lock().await, None)).await
            }
        }
    }

    /// Reads the rows of one statement.
    async fn read<T>(
        &self,
        part: Part<'_>,
        sql: &str,
        parameters: &[Cell],
        read: impl Fn(&Row) -> Result<T, LedgerError>,
    ) -> Result<Vec<T>, LedgerError> {
        let rows = self.look(part, async |transaction| transaction.rows(sql, parameters).await);
        rows.await?.iter().map(read).collect()
    }
}

/// A table of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its rows: values by column.
    pub rows: Vec<Map<String, Value>>,
}

fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let version = |connection: &Connection| {
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
    };
    let known = MIGRATIONS.len() as u32;
    let found = version(connection)?;
    if found > known {
        return Err(LedgerError::Newer { found, known });
    }
    if found == known {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it while this one waited.
    let found = version(&transaction)?;
    for (to, migration) in (1_u32..).zip(MIGRATIONS).skip(found as usize) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", to)?;
    }
    transaction.commit()?;
    Ok(())
}

fn dump(connection: &Connection) -> Result<Vec<Table>, LedgerError> {
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut dump = Vec::new();
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows = statement
            .query_map([], |row| {
                let cell =
                    |(index, name): (usize, &String)| Ok((name.clone(), json(row.get_ref(index)?)));
                columns.iter().enumerate().map(cell).collect()
            })?
            .collect::<Result<_, _>>()?;
        dump.push(Table { name: table, rows });
    }
    Ok(dump)
}

fn json(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()).into(),
    }
}

/// Milliseconds since the Unix epoch, by this machine's clock.
fn local_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests put files in the ledger's way")]
pub(crate) mod tests;
