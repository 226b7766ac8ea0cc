//! What a ledger is looked at for without changing anything in it.

use super::lease::Holder;
use super::{BUSY_TIMEOUT, Ledger, LedgerError, MIGRATIONS};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::path::Path;

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
    pub(crate) fn examine(path: &Path) -> Result<Health, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA trusted_schema = OFF;")?;
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let known = MIGRATIONS.len() as u32;
        if version > known {
            return Err(LedgerError::Newer { found: version, known });
        }
        let damage = texts(&connection, &format!("PRAGMA quick_check({DAMAGE_MAX})"))?;
        let damage = damage.into_iter().filter(|message| message != "ok").collect();
        let mut health = Health {
            version,
            damage,
            runs: BTreeSet::new(),
            running: BTreeSet::new(),
            abandoned: Vec::new(),
        };
        if version == known && health.damage.is_empty() {
            health.look(&connection)?;
        }
        Ok(health)
    }
}

impl Health {
    fn look(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        self.runs.extend(texts(connection, "SELECT id FROM runs")?);
        // What has a subject, and is only there while somebody acts on it or until that is put right.
        let unfinished = "SELECT installation, 'run ' || id FROM runs WHERE finished_ms IS NULL
            UNION SELECT id, 'deletion of ' || id FROM installations WHERE state = 'deleting'
            UNION SELECT id, 'set ' || id FROM sets WHERE applied_ms IS NULL
            UNION SELECT set_id, 'set ' || set_id FROM secrets
                WHERE set_id IS NOT NULL AND state <> 'held'
            ORDER BY 2";
        let mut statement = connection.prepare(unfinished)?;
        let unfinished: Vec<(String, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (subject, what) in unfinished {
            match Holder::of(connection, &subject)?.filter(Holder::is_alive) {
                Some(holder) => drop(self.running.insert(holder.run)),
                None => self.abandoned.push(what),
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
