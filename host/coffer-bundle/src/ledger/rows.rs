//! Reading: installations, their runs and the values of these.

use super::record::{Address, Installation, Kept, Run};
use super::{Ledger, LedgerError};
use coffer_host::grants::Reference;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use std::collections::BTreeMap;

impl Ledger {
    /// An installation.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotFound`] if there is none of this name.
    pub fn installation(&self, namespace: &str, name: &str) -> Result<Installation, LedgerError> {
        find(&self.connection(), namespace, name)?
            .ok_or_else(|| LedgerError::NotFound { what: "installation", name: name.to_owned() })
    }

    /// Every installation of a namespace, or of all, by name.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn installations(&self, namespace: Option<&str>) -> Result<Vec<Installation>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare(&format!(
            "SELECT {INSTALLATION} FROM installations WHERE ?1 IS NULL OR namespace = ?1
             ORDER BY namespace, name"
        ))?;
        let rows = statement.query_map([namespace], installation)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The runs of an installation, the newest first.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn runs(&self, installation: &str) -> Result<Vec<Run>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(&format!("SELECT {RUN} FROM runs WHERE installation = ?1 ORDER BY id DESC"))?;
        let rows = statement.query_map([installation], run)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest value of each output of an installation, with the run that produced it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn outputs(
        &self,
        installation: &str,
    ) -> Result<BTreeMap<String, (String, Kept)>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT o.name, max(o.run), o.plain, s.store, s.key, NULL, NULL, NULL FROM outputs o
             JOIN runs r ON r.id = o.run LEFT JOIN secrets s ON s.id = o.secret
             WHERE r.installation = ?1 GROUP BY o.name",
        )?;
        let rows = statement
            .query_map([installation], |row| Ok((row.get(0)?, (row.get(1)?, kept(row, 2)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The parameters that were given to an installation.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn overrides(&self, installation: &str) -> Result<BTreeMap<String, Kept>, LedgerError> {
        self.named(
            "SELECT o.name, o.plain, s.store, s.key, NULL, NULL, NULL FROM overrides o
             LEFT JOIN secrets s ON s.id = o.secret WHERE o.installation = ?1",
            &[&installation],
        )
    }

    /// What a run was given: its parameters, or its credentials.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn inputs(&self, run: &str, kind: &str) -> Result<BTreeMap<String, Kept>, LedgerError> {
        self.named(
            "SELECT i.name, i.plain, s.store, s.key, i.store, i.source, i.key FROM inputs i
             LEFT JOIN secrets s ON s.id = i.secret WHERE i.run = ?1 AND i.kind = ?2",
            &[&run, &kind],
        )
    }

    /// The sets that an installation uses, in their order.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn installation_sets(
        &self,
        installation: &str,
        kind: &str,
    ) -> Result<Vec<String>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT name FROM installation_sets WHERE installation = ?1 AND kind = ?2
             ORDER BY position",
        )?;
        let rows = statement.query_map([installation, kind], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Where everything is that coffer itself keeps in stores.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn addresses(&self) -> Result<Vec<Address>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT store, key FROM secrets ORDER BY 1, 2")?;
        let rows = statement.query_map([], address)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn named(
        &self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<BTreeMap<String, Kept>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map(parameters, |row| Ok((row.get(0)?, kept(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

pub(super) fn find(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> Result<Option<Installation>, LedgerError> {
    let sql =
        format!("SELECT {INSTALLATION} FROM installations WHERE namespace = ?1 AND name = ?2");
    Ok(connection.query_row(&sql, [namespace, name], installation).optional()?)
}

/// Reads `plain, secret's store, secret's key, store, source, key`, from column `first` on.
pub(super) fn kept(row: &Row<'_>, first: usize) -> rusqlite::Result<Kept> {
    if let Some(plain) = row.get::<_, Option<String>>(first)? {
        return Ok(Kept::Plain(serde_json::from_str(&plain).map_err(|error| bad(first, error))?));
    }
    if let Some(key) = row.get::<_, Option<String>>(first + 2)? {
        return Ok(Kept::Secret(Address { store: row.get(first + 1)?, key }));
    }
    let source: String = row.get(first + 4)?;
    let source = source.parse().map_err(|error| bad(first + 4, error))?;
    let reference = Reference::new(source, row.get::<_, String>(first + 5)?)
        .map_err(|error| bad(first + 5, error))?;
    let store = row.get::<_, Option<String>>(first + 3)?.unwrap_or_default();
    Ok(Kept::Outside { store, reference })
}

pub(super) fn address(row: &Row<'_>) -> rusqlite::Result<Address> {
    Ok(Address { store: row.get(0)?, key: row.get(1)? })
}

const INSTALLATION: &str = "id, namespace, name, state, created_ms";

fn installation(row: &Row<'_>) -> rusqlite::Result<Installation> {
    Ok(Installation {
        id: row.get(0)?,
        namespace: row.get(1)?,
        name: row.get(2)?,
        state: word(row, 3)?,
        created_ms: row.get(4)?,
    })
}

const RUN: &str =
    "id, action, bundle, bundle_path, bundle_digest, driver, status, exit_code, message,
    started_ms, finished_ms";

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get(0)?,
        action: row.get(1)?,
        bundle: serde_json::from_str(&row.get::<_, String>(2)?).map_err(|error| bad(2, error))?,
        bundle_path: row.get(3)?,
        bundle_digest: row.get(4)?,
        driver: row.get(5)?,
        status: word(row, 6)?,
        exit_code: row.get(7)?,
        message: row.get(8)?,
        started_ms: row.get(9)?,
        finished_ms: row.get(10)?,
    })
}

fn word<T: std::str::FromStr<Err = ()>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|()| {
        rusqlite::Error::InvalidColumnType(
            column,
            "a word of the ledger".into(),
            rusqlite::types::Type::Text,
        )
    })
}

fn bad(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
