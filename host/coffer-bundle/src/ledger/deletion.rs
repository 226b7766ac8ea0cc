//! Writing: the deletion of what coffer has in stores. What refers to a secret goes first, in one step with
//! the decision; then the secret itself; then its row.

use super::record::Address;
use super::rows::address;
use super::sql::{Row, Transaction, cells};
use super::{Lease, Ledger, LedgerError, Part};

impl Ledger {
    /// Takes the lease of an installation that is to be deleted.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] or [`LedgerError::Unfinished`].
    pub(crate) async fn hold_for_deletion(
        &self,
        installation: &str,
        operation: &str,
    ) -> Result<Lease, LedgerError> {
        self.transaction(Part::Subject(installation), async |transaction| {
            Lease::take(transaction, installation, operation).await
        })
        .await
    }

    /// Dooms everything that an installation has in stores, and forgets its runs.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; nothing is doomed then.
    pub(crate) async fn doom_installation(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            let id = &lease.subject;
            transaction
                .execute("DELETE FROM overrides WHERE installation = ?1", cells![id])
                .await?;
            transaction.execute("DELETE FROM runs WHERE installation = ?1", cells![id]).await?;
            transaction
                .execute("UPDATE secrets SET state = 'doomed' WHERE installation = ?1", cells![id])
                .await?;
            transaction
                .execute("UPDATE installations SET state = 'deleting' WHERE id = ?1", cells![id])
                .await?;
            Ok(())
        })
        .await
    }

    /// What is to be deleted: of one installation or set, or of all.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn doomed(&self, owner: Option<&str>) -> Result<Vec<Address>, LedgerError> {
        let part = owner.map_or(Part::All, Part::Subject);
        let sql = "SELECT store, key FROM secrets
             WHERE state = 'doomed' AND (CAST(?1 AS TEXT) IS NULL OR ?1 IN (installation, set_id))";
        self.read(part, sql, cells![owner], address).await
    }

    /// The store does not have a doomed secret any more.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; it is deleted again later, which does no harm.
    pub(crate) async fn forget(&self, address: &Address) -> Result<(), LedgerError> {
        self.transaction(Part::Secret(address), async |transaction| {
            transaction
                .execute(
                    "DELETE FROM secrets WHERE store = ?1 AND key = ?2 AND state = 'doomed'",
                    cells![&address.store, &address.key],
                )
                .await?;
            Ok(())
        })
        .await
    }

    /// Forgets an installation that has nothing in stores any more.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers does it.
    pub(crate) async fn forget_installation(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            transaction
                .execute("DELETE FROM installations WHERE id = ?1", cells![&lease.subject])
                .await?;
            lease.give_back(transaction).await
        })
        .await
    }

    /// What runs that were taken back could not delete: installation and address.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn doomed_of_installations(
        &self,
    ) -> Result<Vec<(String, Address)>, LedgerError> {
        let sql = "SELECT store, key, installation FROM secrets s
             JOIN installations i ON i.id = installation
             WHERE s.state = 'doomed' AND i.state <> 'deleting' ORDER BY installation, store, key";
        let read = |row: &Row| Ok((row.get(2)?, address(row)?));
        let mut doomed: Vec<(String, Address)> = self.read(Part::All, sql, cells![], read).await?;
        doomed.dedup_by(|later, earlier| later.0 == earlier.0);
        Ok(doomed)
    }

    /// What a run intended to put is not there any more, save what is in `left`, which is doomed.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers does it.
    pub(crate) async fn drop_intents(
        &self,
        lease: &Lease,
        left: &[Address],
    ) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            doom(transaction, left).await?;
            transaction
                .execute(
                    "DELETE FROM secrets WHERE state = 'intended' AND ?1 IN (installation, set_id)",
                    cells![&lease.subject],
                )
                .await?;
            Ok(())
        })
        .await
    }

    /// Forgets an installation of which nothing ever ran and that has nothing in stores any more.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers does it.
    pub(crate) async fn forget_unused_installation(
        &self,
        lease: &Lease,
    ) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            forget_unused(transaction, &lease.subject).await?;
            lease.give_back(transaction).await
        })
        .await
    }

    /// The installations with a lease and no run that could be put right. Whoever deleted something of
    /// theirs was killed before it gave the lease back.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn abandoned(&self) -> Result<Vec<String>, LedgerError> {
        let sql = "SELECT i.id FROM installations i JOIN leases l ON l.subject = i.id
             WHERE i.state <> 'deleting' AND NOT EXISTS (
                 SELECT 1 FROM runs WHERE installation = i.id AND finished_ms IS NULL)";
        self.read(Part::All, sql, cells![], |row| row.get(0)).await
    }

    /// Gives a lease back with which nothing is to be done any more.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; it is seen to be gone when the process is.
    pub(crate) async fn give_back(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| lease.give_back(transaction).await).await
    }

    /// The installations whose deletion has begun.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn deleting(&self) -> Result<Vec<String>, LedgerError> {
        let sql = "SELECT id FROM installations WHERE state = 'deleting'";
        self.read(Part::All, sql, cells![], |row| row.get(0)).await
    }
}

/// What could not be deleted now is deleted by whoever recovers.
pub(super) async fn doom(
    transaction: &mut Transaction<'_>,
    left: &[Address],
) -> Result<(), LedgerError> {
    for Address { store, key } in left {
        transaction
            .execute(
                "UPDATE secrets SET state = 'doomed' WHERE store = ?1 AND key = ?2",
                cells![store, key],
            )
            .await?;
    }
    Ok(())
}

pub(super) async fn forget_unused(
    transaction: &mut Transaction<'_>,
    installation: &str,
) -> Result<(), LedgerError> {
    transaction
        .execute(
            "DELETE FROM installations WHERE id = ?1
         AND NOT EXISTS (SELECT 1 FROM runs WHERE installation = ?1)
         AND NOT EXISTS (SELECT 1 FROM secrets WHERE installation = ?1)",
            cells![installation],
        )
        .await?;
    Ok(())
}
