//! Writing: the deletion of what coffer has in stores. What refers to a secret goes first, in one step with
//! the decision; then the secret itself; then its row.

use super::record::Address;
use super::rows::address;
use super::{Lease, Ledger, LedgerError};
use rusqlite::Transaction;

impl Ledger {
    /// Takes the lease of an installation that is to be deleted.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] or [`LedgerError::Unfinished`].
    pub(crate) fn hold_for_deletion(
        &self,
        installation: &str,
        operation: &str,
    ) -> Result<Lease, LedgerError> {
        self.transaction(|transaction| Lease::take(transaction, installation, operation))
    }

    /// Dooms everything that an installation has in stores, and forgets its runs.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; nothing is doomed then.
    pub(crate) fn doom_installation(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            lease.check(transaction)?;
            let id = &lease.subject;
            transaction.execute("DELETE FROM overrides WHERE installation = ?1", [id])?;
            transaction.execute("DELETE FROM runs WHERE installation = ?1", [id])?;
            transaction
                .execute("UPDATE secrets SET state = 'doomed' WHERE installation = ?1", [id])?;
            transaction
                .execute("UPDATE installations SET state = 'deleting' WHERE id = ?1", [id])?;
            Ok(())
        })
    }

    /// What is to be deleted: of one installation or set, or of all.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) fn doomed(&self, owner: Option<&str>) -> Result<Vec<Address>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT store, key FROM secrets
             WHERE state = 'doomed' AND (?1 IS NULL OR ?1 IN (installation, set_id))",
        )?;
        let rows = statement.query_map([owner], address)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The store does not have a doomed secret any more.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; it is deleted again later, which does no harm.
    pub(crate) fn forget(&self, address: &Address) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            transaction.execute(
                "DELETE FROM secrets WHERE store = ?1 AND key = ?2 AND state = 'doomed'",
                (&address.store, &address.key),
            )?;
            Ok(())
        })
    }

    /// Forgets an installation that has nothing in stores any more.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers does it.
    pub(crate) fn forget_installation(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            lease.check(transaction)?;
            transaction.execute("DELETE FROM installations WHERE id = ?1", [&lease.subject])?;
            lease.give_back(transaction)
        })
    }

    /// What runs that were taken back could not delete: installation and address.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) fn doomed_of_installations(&self) -> Result<Vec<(String, Address)>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT store, key, installation FROM secrets s JOIN installations i ON i.id = installation
             WHERE s.state = 'doomed' AND i.state <> 'deleting' GROUP BY installation",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(2)?, address(row)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What a run intended to put is not there any more, save what is in `left`, which is doomed.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers does it.
    pub(crate) fn drop_intents(&self, lease: &Lease, left: &[Address]) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            lease.check(transaction)?;
            doom(transaction, left)?;
            transaction.execute(
                "DELETE FROM secrets WHERE state = 'intended' AND ?1 IN (installation, set_id)",
                [&lease.subject],
            )?;
            Ok(())
        })
    }

    /// Forgets an installation of which nothing ever ran and that has nothing in stores any more.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers does it.
    pub(crate) fn forget_unused_installation(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            lease.check(transaction)?;
            forget_unused(transaction, &lease.subject)?;
            lease.give_back(transaction)
        })
    }

    /// The installations with a lease and no run that could be put right. Whoever deleted something of
    /// theirs was killed before it gave the lease back.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) fn abandoned(&self) -> Result<Vec<String>, LedgerError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT i.id FROM installations i JOIN leases l ON l.subject = i.id
             WHERE i.state <> 'deleting' AND NOT EXISTS (
                 SELECT 1 FROM runs WHERE installation = i.id AND finished_ms IS NULL)",
        )?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Gives a lease back with which nothing is to be done any more.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; it is seen to be gone when the process is.
    pub(crate) fn give_back(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(|transaction| lease.give_back(transaction))
    }

    /// The installations whose deletion has begun.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) fn deleting(&self) -> Result<Vec<String>, LedgerError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT id FROM installations WHERE state = 'deleting'")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// What could not be deleted now is deleted by whoever recovers.
pub(super) fn doom(transaction: &Transaction<'_>, left: &[Address]) -> Result<(), LedgerError> {
    for Address { store, key } in left {
        transaction.execute(
            "UPDATE secrets SET state = 'doomed' WHERE store = ?1 AND key = ?2",
            (store, key),
        )?;
    }
    Ok(())
}

pub(super) fn forget_unused(
    transaction: &Transaction<'_>,
    installation: &str,
) -> Result<(), LedgerError> {
    transaction.execute(
        "DELETE FROM installations WHERE id = ?1
         AND NOT EXISTS (SELECT 1 FROM runs WHERE installation = ?1)
         AND NOT EXISTS (SELECT 1 FROM secrets WHERE installation = ?1)",
        [installation],
    )?;
    Ok(())
}
