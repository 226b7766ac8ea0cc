//! Parameter and credential sets. An entry refers to what somebody else keeps, or to a secret that
//! coffer put into a store when the set was applied.

use super::deletion::doom;
use super::lease::Lease;
use super::record::{Address, Kept, KeptSet};
use super::rows::{address, kept};
use super::run::{columns, forget_intended, hold, intend};
use super::{Ledger, LedgerError, now_ms};
use rusqlite::{OptionalExtension as _, Transaction};
use std::collections::BTreeMap;

impl Ledger {
    /// A set.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotFound`] if there is none of this name.
    pub fn set(&self, kind: &str, namespace: &str, name: &str) -> Result<KeptSet, LedgerError> {
        let found = self.sets(kind, Some(namespace))?.into_iter().find(|set| set.name == name);
        found.ok_or_else(|| not_found(kind, name))
    }

    /// The sets of a namespace, or of all, by name.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn sets(&self, kind: &str, namespace: Option<&str>) -> Result<Vec<KeptSet>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT id, namespace, name, labels, applied_ms FROM sets
             WHERE kind = ?1 AND (?2 IS NULL OR namespace = ?2) AND applied_ms IS NOT NULL
             ORDER BY namespace, name",
        )?;
        let sets: Vec<(String, KeptSet)> = statement
            .query_map((kind, namespace), |row| {
                let labels: String = row.get(3)?;
                let set = KeptSet {
                    namespace: row.get(1)?,
                    name: row.get(2)?,
                    labels: serde_json::from_str(&labels).unwrap_or_default(),
                    applied_ms: row.get(4)?,
                    entries: Vec::new(),
                };
                Ok((row.get(0)?, set))
            })?
            .collect::<Result<_, _>>()?;
        let mut entries = connection.prepare(
            "SELECT e.name, NULL, s.store, s.key, e.store, e.source, e.key FROM set_entries e
             LEFT JOIN secrets s ON s.id = e.secret WHERE e.set_id = ?1 ORDER BY e.position",
        )?;
        sets.into_iter()
            .map(|(id, mut set)| {
                set.entries = entries
                    .query_map([id], |row| Ok((row.get(0)?, kept(row, 1)?)))?
                    .collect::<Result<_, _>>()?;
                Ok(set)
            })
            .collect()
    }

    /// Begins to apply a set. The secrets that it brings are put now.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] if another process changes it.
    pub(crate) fn begin_set(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        operation: &str,
        intents: &[Address],
    ) -> Result<Lease, LedgerError> {
        self.transaction(|transaction| {
            let id = match id_of(transaction, kind, namespace, name)? {
                Some(id) => id,
                None => {
                    transaction.execute(
                        "INSERT INTO sets VALUES (?1, ?2, ?3, ?4, '{}', NULL)",
                        (operation, kind, namespace, name),
                    )?;
                    operation.to_owned()
                }
            };
            let lease = Lease::take(transaction, &id, operation)?;
            intend(transaction, &lease, "set_id", intents)?;
            Ok(lease)
        })
    }

    /// The set's secrets are held: it has the new entries, and what the old ones had in stores is doomed.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; the set is as it was then.
    pub(crate) fn apply_set(
        &self,
        lease: &Lease,
        labels: &BTreeMap<String, String>,
        entries: &[(String, Kept)],
    ) -> Result<(), LedgerError> {
        let labels = serde_json::to_string(labels).expect("the keys of the map are texts");
        self.transaction(|transaction| {
            lease.check(transaction)?;
            let id = &lease.subject;
            transaction.execute("DELETE FROM set_entries WHERE set_id = ?1", [id])?;
            transaction.execute(
                "UPDATE secrets SET state = 'doomed' WHERE set_id = ?1 AND state = 'held'",
                [id],
            )?;
            hold(transaction, lease)?;
            for (position, (name, kept)) in (0_i64..).zip(entries) {
                let (_, secret, outside) = columns(transaction, kept)?;
                let (store, source, key) = outside.unzip();
                let store = store.filter(|store| !store.is_empty());
                transaction.execute(
                    "INSERT INTO set_entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    (id, position, name, secret, store, source, key),
                )?;
            }
            transaction.execute(
                "UPDATE sets SET labels = ?2, applied_ms = ?3 WHERE id = ?1",
                (id, labels, now_ms()),
            )?;
            Ok(())
        })
    }

    /// Takes a change of a set back. Its secrets were deleted, save those in `left`, which are doomed.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers takes it back then.
    pub(crate) fn take_set_back(&self, lease: &Lease, left: &[Address]) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            lease.check(transaction)?;
            doom(transaction, left)?;
            forget_intended(transaction, lease)?;
            forget_empty(transaction, &lease.subject)?;
            lease.give_back(transaction)
        })
    }

    /// Dooms what a set has in stores, and takes its entries away.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotFound`], or another; nothing is doomed then.
    pub(crate) fn doom_set(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        operation: &str,
    ) -> Result<Lease, LedgerError> {
        self.transaction(|transaction| {
            let id =
                id_of(transaction, kind, namespace, name)?.ok_or_else(|| not_found(kind, name))?;
            let lease = Lease::take(transaction, &id, operation)?;
            transaction.execute("DELETE FROM set_entries WHERE set_id = ?1", [&id])?;
            transaction.execute("UPDATE secrets SET state = 'doomed' WHERE set_id = ?1", [&id])?;
            transaction.execute("UPDATE sets SET applied_ms = NULL WHERE id = ?1", [&id])?;
            Ok(lease)
        })
    }

    /// Forgets a set that has nothing in stores any more and is not applied.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers does it.
    pub(crate) fn forget_set(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            lease.check(transaction)?;
            forget_empty(transaction, &lease.subject)?;
            lease.give_back(transaction)
        })
    }

    /// The sets that were being changed or deleted.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) fn unfinished_sets(&self) -> Result<Vec<String>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT id FROM sets s WHERE applied_ms IS NULL
             OR EXISTS (SELECT 1 FROM leases l WHERE l.subject = s.id)
             OR EXISTS (SELECT 1 FROM secrets x WHERE x.set_id = s.id AND x.state <> 'held')
             ORDER BY id",
        )?;
        let ids = statement.query_map([], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// What was about to be put for a set.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) fn intended_of_set(&self, lease: &Lease) -> Result<Vec<Address>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare("SELECT store, key FROM secrets WHERE set_id = ?1 AND state = 'intended'")?;
        let rows = statement.query_map([&lease.subject], address)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn id_of(
    transaction: &Transaction<'_>,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<String>, LedgerError> {
    Ok(transaction
        .query_row(
            "SELECT id FROM sets WHERE kind = ?1 AND namespace = ?2 AND name = ?3",
            [kind, namespace, name],
            |row| row.get(0),
        )
        .optional()?)
}

fn forget_empty(transaction: &Transaction<'_>, id: &str) -> Result<(), LedgerError> {
    transaction.execute(
        "DELETE FROM sets WHERE id = ?1 AND applied_ms IS NULL
         AND NOT EXISTS (SELECT 1 FROM secrets WHERE set_id = ?1)",
        [id],
    )?;
    Ok(())
}

fn not_found(kind: &str, name: &str) -> LedgerError {
    let what = if kind == "credentials" { "credential set" } else { "parameter set" };
    LedgerError::NotFound { what, name: name.to_owned() }
}
