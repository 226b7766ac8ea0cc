//! Reading: installations, their runs and the values of these.

use super::record::{Address, Installation, Kept, Run, Status};
use super::sql::{Cell, Row, Transaction, bad, cells};
use super::{Ledger, LedgerError, Part};
use coffer_host::grants::Reference;
use std::collections::BTreeMap;

impl Ledger {
    /// An installation.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotFound`] if there is none of this name.
    pub async fn installation(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Installation, LedgerError> {
        let part = Part::Installation { namespace, name };
        self.look(part, async |transaction| find(transaction, namespace, name).await)
            .await?
            .ok_or_else(|| LedgerError::NotFound { what: "installation", name: name.to_owned() })
    }

    /// The installations of a namespace, or of all, by name: those that come after `after`, a namespace and a
    /// name, and at most `count` of them. With what the newest run of each did, and what became of it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn installations(
        &self,
        namespace: Option<&str>,
        after: (&str, &str),
        count: usize,
    ) -> Result<Vec<(Installation, Option<(String, Status)>)>, LedgerError> {
        // By the index of namespaces and names, whatever is asked for, so that a page costs what is in it.
        let (asked, from) = match namespace {
            Some(namespace) => ("i.namespace = ?1 AND i.name > ?2", (namespace, after.1)),
            None => ("(i.namespace, i.name) > (?1, ?2)", after),
        };
        let sql = format!(
            "SELECT i.id, i.namespace, i.name, i.state, i.created_ms, r.action, r.status
             FROM installations i LEFT JOIN runs r
             ON r.id = (SELECT MAX(id) FROM runs WHERE installation = i.id)
             WHERE {asked} ORDER BY i.namespace, i.name LIMIT ?3"
        );
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let read = |row: &Row| {
            let action: Option<String> = row.get(5)?;
            let newest = match action {
                Some(action) => Some((action, word(row, 6)?)),
                None => None,
            };
            Ok((installation(row)?, newest))
        };
        self.read(Part::All, &sql, cells![from.0, from.1, count], read).await
    }

    /// The newest run of an installation.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn newest_run(&self, installation: &str) -> Result<Option<Run>, LedgerError> {
        let sql =
            format!("SELECT {RUN} FROM runs WHERE installation = ?1 ORDER BY id DESC LIMIT 1");
        let runs = self.read(Part::Subject(installation), &sql, cells![installation], run).await?;
        Ok(runs.into_iter().next())
    }

    /// The runs of an installation, the newest first.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn runs(&self, installation: &str) -> Result<Vec<Run>, LedgerError> {
        let sql = format!("SELECT {RUN} FROM runs WHERE installation = ?1 ORDER BY id DESC");
        self.read(Part::Subject(installation), &sql, cells![installation], run).await
    }

    /// The newest value of each output of an installation, with the run that produced it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn outputs(
        &self,
        installation: &str,
    ) -> Result<BTreeMap<String, (String, Kept)>, LedgerError> {
        let sql = "SELECT o.name, o.run, o.plain, s.store, s.key, NULL, NULL, NULL FROM outputs o
             JOIN runs r ON r.id = o.run LEFT JOIN secrets s ON s.id = o.secret
             WHERE r.installation = ?1 ORDER BY o.run";
        let read = |row: &Row| Ok((row.get(0)?, (row.get(1)?, kept(row, 2)?)));
        let parameters = cells![installation];
        let outputs = self.read(Part::Subject(installation), sql, parameters, read).await?;
        // What a later run produced takes the place of what an earlier one did.
        Ok(outputs.into_iter().collect())
    }

    /// The parameters that were given to an installation.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn overrides(
        &self,
        installation: &str,
    ) -> Result<BTreeMap<String, Kept>, LedgerError> {
        self.named(
            Part::Subject(installation),
            "SELECT o.name, o.plain, s.store, s.key, NULL, NULL, NULL FROM overrides o
             LEFT JOIN secrets s ON s.id = o.secret WHERE o.installation = ?1",
            cells![installation],
        )
        .await
    }

    /// What a run was given: its parameters, or its credentials.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn inputs(
        &self,
        run: &str,
        kind: &str,
    ) -> Result<BTreeMap<String, Kept>, LedgerError> {
        self.named(
            Part::Run(run),
            "SELECT i.name, i.plain, s.store, s.key, i.store, i.source, i.key FROM inputs i
             LEFT JOIN secrets s ON s.id = i.secret WHERE i.run = ?1 AND i.kind = ?2",
            cells![run, kind],
        )
        .await
    }

    /// The sets that an installation uses, in their order.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn installation_sets(
        &self,
        installation: &str,
        kind: &str,
    ) -> Result<Vec<String>, LedgerError> {
        let sql = "SELECT name FROM installation_sets WHERE installation = ?1 AND kind = ?2
             ORDER BY position";
        let parameters = cells![installation, kind];
        self.read(Part::Subject(installation), sql, parameters, |row| row.get(0)).await
    }

    /// Where everything is that coffer itself keeps in stores.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn addresses(&self) -> Result<Vec<Address>, LedgerError> {
        let sql = "SELECT store, key FROM secrets ORDER BY store, key";
        self.read(Part::All, sql, cells![], address).await
    }

    async fn named(
        &self,
        part: Part<'_>,
        sql: &str,
        parameters: &[Cell],
    ) -> Result<BTreeMap<String, Kept>, LedgerError> {
        let read = |row: &Row| Ok((row.get(0)?, kept(row, 1)?));
        Ok(self.read(part, sql, parameters, read).await?.into_iter().collect())
    }
}

pub(super) async fn find(
    transaction: &mut Transaction<'_>,
    namespace: &str,
    name: &str,
) -> Result<Option<Installation>, LedgerError> {
    let sql =
        format!("SELECT {INSTALLATION} FROM installations WHERE namespace = ?1 AND name = ?2");
    transaction.row(&sql, cells![namespace, name]).await?.as_ref().map(installation).transpose()
}

/// Reads `plain, secret's store, secret's key, store, source, key`, from column `first` on.
pub(super) fn kept(row: &Row, first: usize) -> Result<Kept, LedgerError> {
    if let Some(plain) = row.get::<Option<String>>(first)? {
        return Ok(Kept::Plain(serde_json::from_str(&plain).map_err(|_| bad(first))?));
    }
    if let Some(key) = row.get::<Option<String>>(first + 2)? {
        return Ok(Kept::Secret(Address { store: row.get(first + 1)?, key }));
    }
    let source: String = row.get(first + 4)?;
    let source = source.parse().map_err(|_| bad(first + 4))?;
    let reference =
        Reference::new(source, row.get::<String>(first + 5)?).map_err(|_| bad(first + 5))?;
    let store = row.get::<Option<String>>(first + 3)?.unwrap_or_default();
    Ok(Kept::Outside { store, reference })
}

pub(super) fn address(row: &Row) -> Result<Address, LedgerError> {
    Ok(Address { store: row.get(0)?, key: row.get(1)? })
}

const INSTALLATION: &str = "id, namespace, name, state, created_ms";

fn installation(row: &Row) -> Result<Installation, LedgerError> {
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

fn run(row: &Row) -> Result<Run, LedgerError> {
    Ok(Run {
        id: row.get(0)?,
        action: row.get(1)?,
        bundle: serde_json::from_str(&row.get::<String>(2)?).map_err(|_| bad(2))?,
        bundle_path: row.get(3)?,
        bundle_digest: row.get(4)?,
        driver: row.get(5)?,
        status: word(row, 6)?,
        exit_code: row.get::<Option<i64>>(7)?.and_then(|code| code.try_into().ok()),
        message: row.get(8)?,
        started_ms: row.get(9)?,
        finished_ms: row.get(10)?,
    })
}

fn word<T: std::str::FromStr<Err = ()>>(row: &Row, column: usize) -> Result<T, LedgerError> {
    let text: String = row.get(column)?;
    text.parse().map_err(|()| bad(column))
}
