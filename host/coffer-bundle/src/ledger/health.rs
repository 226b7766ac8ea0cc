//! What a ledger is looked at for without changing anything in it.

use super::lease::Holder;
use super::mongodb::Mongodb;
use super::postgres::Postgres;
use super::sql::{Transaction, cells};
use super::{BUSY_TIMEOUT, Keeper, Ledger, LedgerError, MIGRATIONS, Part};
use crate::config::{Storage, StorageKind};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::path::Path;
use tokio::sync::Mutex;

/// Messages about damage that are kept.
const DAMAGE_MAX: usize = 5;

/// How a ledger is.
#[derive(Debug)]
pub(crate) struct Health {
    /// The version of its schema; 0 if nothing is in it yet.
    pub(crate) version: u32,
    /// What the database says is damaged.
    pub(crate) damage: Vec<String>,
    /// The runs that it knows.
    pub(crate) runs: BTreeSet<String>,
    /// The runs whose process is there.
    pub(crate) running: BTreeSet<String>,
    /// What was begun and has not ended, and whose process is gone: runs, sets, deletions.
    pub(crate) abandoned: Vec<String>,
}

impl Ledger {
    /// Looks at the ledger as it is; it is neither made nor brought up to this version.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if it cannot be read, or a newer coffer made it.
    pub(crate) async fn examine(path: &Path) -> Result<Health, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA trusted_schema = OFF;")?;
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let known = MIGRATIONS.len() as u32;
        if version > known {
            return Err(LedgerError::Newer { found: version, known });
        }
        let damage = texts(&connection, &format!("PRAGMA quick_check({DAMAGE_MAX})"))?;
        let damage = damage.into_iter().filter(|message| message != "ok").collect();
        let mut health = Health { damage, ..Health::of_version(version) };
        if version == known && health.damage.is_empty() {
            health.look(&mut Transaction::Sqlite(&mut connection, None)).await?;
        }
        Ok(health)
    }

    /// Looks at the ledger on a server, in the same way. Damage is its own business.
    ///
    /// # Errors
    ///
    /// As [`examine`](Self::examine).
    pub(crate) async fn survey(storage: &Storage) -> Result<Health, LedgerError> {
        let (keeper, version) = match storage.kind {
            StorageKind::Mongodb => {
                let (mongodb, version) = Mongodb::connect(storage).await?;
                (Keeper::Mongodb(Mutex::new(Box::new(mongodb))), version)
            }
            StorageKind::Postgresql => {
                let (postgres, version) = Postgres::connect(storage).await?;
                (Keeper::Postgres(Mutex::new(Box::new(postgres))), version)
            }
            StorageKind::Sqlite => return Err(LedgerError::Url("a file is no server")),
        };
        if version == 0 {
            return Ok(Health::of_version(0));
        }
        let look = async |transaction: &mut Transaction<'_>| {
            let mut health = Health::of_version(version);
            health.look(transaction).await?;
            Ok(health)
        };
        Self(keeper).look(Part::All, look).await
    }
}

impl Health {
    fn of_version(version: u32) -> Self {
        Self {
            version,
            damage: Vec::new(),
            runs: BTreeSet::new(),
            running: BTreeSet::new(),
            abandoned: Vec::new(),
        }
    }

    async fn look(&mut self, transaction: &mut Transaction<'_>) -> Result<(), LedgerError> {
        for row in transaction.rows("SELECT id FROM runs", cells![]).await? {
            self.runs.insert(row.get(0)?);
        }
        // What has a subject, and is only there while somebody acts on it or until that is put right.
        let unfinished = "SELECT installation, 'run ' || id FROM runs WHERE finished_ms IS NULL
            UNION SELECT id, 'deletion of ' || id FROM installations WHERE state = 'deleting'
            UNION SELECT id, 'set ' || id FROM sets WHERE applied_ms IS NULL
            UNION SELECT set_id, 'set ' || set_id FROM secrets
                WHERE set_id IS NOT NULL AND state <> 'held'
            ORDER BY 2";
        for row in transaction.rows(unfinished, cells![]).await? {
            let holder = Holder::of(transaction, &row.get::<String>(0)?).await?;
            match holder.filter(Holder::is_alive) {
                Some(holder) => drop(self.running.insert(holder.run)),
                None => self.abandoned.push(row.get(1)?),
            }
        }
        Ok(())
    }
}

fn texts(connection: &Connection, sql: &str) -> Result<Vec<String>, LedgerError> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
