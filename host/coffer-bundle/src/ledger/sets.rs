//! Parameter and credential sets. An entry refers to what somebody else keeps, or to a secret that
//! coffer put into a store when the set was applied.

use super::deletion::doom;
use super::lease::Lease;
use super::record::{Address, Kept, KeptSet};
use super::rows::{address, kept};
use super::run::{columns, forget_intended, hold, intend};
use super::sql::{Row, Transaction, cells};
use super::{Ledger, LedgerError, Part};
use std::collections::BTreeMap;

impl Ledger {
    /// A set.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotFound`] if there is none of this name.
    pub async fn set(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<KeptSet, LedgerError> {
        let found =
            self.sets(kind, Some(namespace)).await?.into_iter().find(|set| set.name == name);
        found.ok_or_else(|| not_found(kind, name))
    }

    /// The sets of a namespace, or of all, by name.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn sets(
        &self,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<KeptSet>, LedgerError> {
        let sets = "SELECT id, namespace, name, labels, applied_ms FROM sets
             WHERE kind = ?1 AND (CAST(?2 AS TEXT) IS NULL OR namespace = ?2)
             AND applied_ms IS NOT NULL ORDER BY namespace, name";
        let entries =
            "SELECT e.name, NULL, s.store, s.key, e.store, e.source, e.key FROM set_entries e
             LEFT JOIN secrets s ON s.id = e.secret WHERE e.set_id = ?1 ORDER BY e.position";
        self.look(Part::All, async |transaction| {
            let mut found = Vec::new();
            for row in transaction.rows(sets, cells![kind, namespace]).await? {
                let (id, mut set): (String, _) = (row.get(0)?, kept_set(&row)?);
                for row in transaction.rows(entries, cells![id]).await? {
                    set.entries.push((row.get(0)?, kept(&row, 1)?));
                }
                found.push(set);
            }
            Ok(found)
        })
        .await
    }

    /// Begins to apply a set. The secrets that it brings are put now.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] if another process changes it.
    pub(crate) async fn begin_set(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        operation: &str,
        intents: &[Address],
    ) -> Result<Lease, LedgerError> {
        let part = Part::Set { kind, namespace, name };
        self.transaction(part, async |transaction| {
            let id = match id_of(transaction, kind, namespace, name).await? {
                Some(id) => id,
                None => {
                    transaction
                        .execute(
                            "INSERT INTO sets VALUES (?1, ?2, ?3, ?4, '{}', NULL)",
                            cells![operation, kind, namespace, name],
                        )
                        .await?;
                    operation.to_owned()
                }
            };
            let lease = Lease::take(transaction, &id, operation).await?;
            intend(transaction, &lease, "set_id", intents).await?;
            Ok(lease)
        })
        .await
    }

    /// The set's secrets are held: it has the new entries, and what the old ones had in stores is doomed.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; the set is as it was then.
    pub(crate) async fn apply_set(
        &self,
        lease: &Lease,
        labels: &BTreeMap<String, String>,
        entries: &[(String, Kept)],
    ) -> Result<(), LedgerError> {
        let labels = serde_json::to_string(labels).expect("the keys of the map are texts");
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            let (id, now) = (&lease.subject, transaction.now_ms().await?);
            transaction.execute("DELETE FROM set_entries WHERE set_id = ?1", cells![id]).await?;
            transaction
                .execute(
                    "UPDATE secrets SET state = 'doomed' WHERE set_id = ?1 AND state = 'held'",
                    cells![id],
                )
                .await?;
            hold(transaction, lease).await?;
            for (position, (name, kept)) in (0_i64..).zip(entries) {
                let (_, secret, outside) = columns(transaction, kept).await?;
                let (store, source, key) = outside.unzip();
                let store = store.filter(|store| !store.is_empty());
                transaction
                    .execute(
                        "INSERT INTO set_entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                        cells![id, position, name, secret, store, source, key],
                    )
                    .await?;
            }
            transaction
                .execute(
                    "UPDATE sets SET labels = ?2, applied_ms = ?3 WHERE id = ?1",
                    cells![id, labels.as_str(), now],
                )
                .await?;
            Ok(())
        })
        .await
    }

    /// Takes a change of a set back. Its secrets were deleted, save those in `left`, which are doomed.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers takes it back then.
    pub(crate) async fn take_set_back(
        &self,
        lease: &Lease,
        left: &[Address],
    ) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            doom(transaction, left).await?;
            forget_intended(transaction, lease).await?;
            forget_empty(transaction, &lease.subject).await?;
            lease.give_back(transaction).await
        })
        .await
    }

    /// Dooms what a set has in stores, and takes its entries away.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotFound`], or another; nothing is doomed then.
    pub(crate) async fn doom_set(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        operation: &str,
    ) -> Result<Lease, LedgerError> {
        let part = Part::Set { kind, namespace, name };
        self.transaction(part, async |transaction| {
            let id = id_of(transaction, kind, namespace, name)
                .await?
                .ok_or_else(|| not_found(kind, name))?;
            let lease = Lease::take(transaction, &id, operation).await?;
            transaction.execute("DELETE FROM set_entries WHERE set_id = ?1", cells![&id]).await?;
            transaction
                .execute("UPDATE secrets SET state = 'doomed' WHERE set_id = ?1", cells![&id])
                .await?;
            transaction
                .execute("UPDATE sets SET applied_ms = NULL WHERE id = ?1", cells![&id])
                .await?;
            Ok(lease)
        })
        .await
    }

    /// Forgets a set that has nothing in stores any more and is not applied.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers does it.
    pub(crate) async fn forget_set(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            forget_empty(transaction, &lease.subject).await?;
            lease.give_back(transaction).await
        })
        .await
    }

    /// The sets that were being changed or deleted.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn unfinished_sets(&self) -> Result<Vec<String>, LedgerError> {
        let sql = "SELECT id FROM sets s WHERE applied_ms IS NULL
             OR EXISTS (SELECT 1 FROM leases l WHERE l.subject = s.id)
             OR EXISTS (SELECT 1 FROM secrets x WHERE x.set_id = s.id AND x.state <> 'held')
             ORDER BY id";
        self.read(Part::All, sql, cells![], |row| row.get(0)).await
    }

    /// What was about to be put for a set.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn intended_of_set(&self, lease: &Lease) -> Result<Vec<Address>, LedgerError> {
        let sql = "SELECT store, key FROM secrets WHERE set_id = ?1 AND state = 'intended'";
        self.read(lease.part(), sql, cells![&lease.subject], address).await
    }
}

async fn id_of(
    transaction: &mut Transaction<'_>,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<String>, LedgerError> {
    let sql = "SELECT id FROM sets WHERE kind = ?1 AND namespace = ?2 AND name = ?3";
    let found = transaction.row(sql, cells![kind, namespace, name]).await?;
    found.map(|row| row.get(0)).transpose()
}

fn kept_set(row: &Row) -> Result<KeptSet, LedgerError> {
    let labels: String = row.get(3)?;
    Ok(KeptSet {
        namespace: row.get(1)?,
        name: row.get(2)?,
        labels: serde_json::from_str(&labels).unwrap_or_default(),
        applied_ms: row.get(4)?,
        entries: Vec::new(),
    })
}

async fn forget_empty(transaction: &mut Transaction<'_>, id: &str) -> Result<(), LedgerError> {
    transaction
        .execute(
            "DELETE FROM sets WHERE id = ?1 AND applied_ms IS NULL
         AND NOT EXISTS (SELECT 1 FROM secrets WHERE set_id = ?1)",
            cells![id],
        )
        .await?;
    Ok(())
}

fn not_found(kind: &str, name: &str) -> LedgerError {
    let what = if kind == "credentials" { "credential set" } else { "parameter set" };
    LedgerError::NotFound { what, name: name.to_owned() }
}
