//! The ledger on PostgreSQL: sessions, transactions that survive the loss of one, and its tables.
//!
//! One transaction writes at a time, as on SQLite: each begins by locking the one row of `fences`. They are a
//! few rows each, and every rule of the ledger was thought through with one writer; serializable
//! transactions would have to be done again instead, in a number that nothing bounds.

use super::server::Server;
use super::sql::{Cell, Row, Transaction, bad, cells};
use super::{LedgerError, Table};
use crate::config::Storage;
use serde_json::Value;
use std::error::Error as _;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error};

/// A server, and the session with it that was used last.
#[derive(Debug)]
pub(super) struct Postgres {
    server: Server,
    /// Taken by whoever uses it and put back when that ended well, so that whatever was given up in the
    /// middle is given up by the server as well.
    session: Option<Session>,
}

impl Postgres {
    /// Connects, and makes the tables or brings them up to this version.
    pub(super) async fn open(storage: &Storage) -> Result<Self, LedgerError> {
        let (postgres, found) = Self::connect(storage).await?;
        if let Some(session) = &postgres.session
            && found < MIGRATIONS.len() as u32
        {
            session.migrate().await?;
        }
        Ok(postgres)
    }

    /// Connects, and says which version the tables are of; 0 if there are none.
    pub(super) async fn connect(storage: &Storage) -> Result<(Self, u32), LedgerError> {
        let url = storage.url.as_ref().ok_or(LedgerError::Url("it is missing"))?;
        let server = Server::new(url, storage.timeout.unwrap_or(TIMEOUT))?;
        let session = Session::begin(&server).await?;
        let (known, found) = (MIGRATIONS.len() as u32, session.version().await?);
        if found > known {
            return Err(LedgerError::Newer { found, known });
        }
        Ok((Self { server, session: Some(session) }, found))
    }

    /// As [`Ledger::transaction`](super::Ledger::transaction). What the loss of a connection stops is done
    /// again for as long as a statement may take.
    pub(super) async fn transaction<T>(
        &mut self,
        act: impl AsyncFn(&mut Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let begun = Instant::now();
        let token = token();
        let mut unsure = None;
        loop {
            let error = match self.attempt(&token, &mut unsure, &act).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            match error {
                LedgerError::Unreachable(_) if begun.elapsed() < self.server.timeout => {
                    tracing::warn!("{error}; it is tried again");
                    tokio::time::sleep(PAUSE).await;
                }
                LedgerError::Unreachable(why) if unsure.is_some() => {
                    return Err(LedgerError::Unknown(why));
                }
                error => return Err(error),
            }
        }
    }

    /// Tries once. `unsure` is what an earlier try did if nobody knows whether that was committed.
    async fn attempt<T>(
        &mut self,
        token: &str,
        unsure: &mut Option<T>,
        act: &impl AsyncFn(&mut Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let session = self.session().await?;
        session.run("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let mut transaction = Transaction::Postgres(&session);
        // Whoever committed in vain has it until the server gave that up or did it.
        transaction.rows("SELECT last FROM fences FOR UPDATE", cells![]).await?;
        if let Some(done) = unsure.take() {
            let sql = "SELECT token FROM commits WHERE token = ?1";
            match transaction.row(sql, cells![token]).await {
                Ok(None) => {}
                Ok(Some(_)) => {
                    self.end(session, "ROLLBACK").await;
                    return Ok(done);
                }
                Err(error) => {
                    *unsure = Some(done);
                    return Err(error);
                }
            }
        }
        let done = match act(&mut transaction).await {
            Ok(done) => done,
            Err(error) => {
                self.end(session, "ROLLBACK").await;
                return Err(error);
            }
        };
        let now = transaction.now_ms().await?;
        let old = now.saturating_sub(COMMITS_KEPT_MS);
        transaction.execute("DELETE FROM commits WHERE committed_ms < ?1", cells![old]).await?;
        transaction.execute("INSERT INTO commits VALUES (?1, ?2)", cells![token, now]).await?;
        match session.commit().await {
            Ok(()) => {
                self.session = Some(session);
                Ok(done)
            }
            Err(error) => {
                if matches!(error, LedgerError::Unreachable(_)) {
                    *unsure = Some(done);
                }
                Err(error)
            }
        }
    }

    /// As [`Ledger::look`](super::Ledger::look). Everything in it is of one moment.
    pub(super) async fn look<T>(
        &mut self,
        act: impl AsyncFn(&mut Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let begun = Instant::now();
        loop {
            match self.try_to_look(&act).await {
                Err(error @ LedgerError::Unreachable(_))
                    if begun.elapsed() < self.server.timeout =>
                {
                    tracing::warn!("{error}; it is tried again");
                    tokio::time::sleep(PAUSE).await;
                }
                looked => return looked,
            }
        }
    }

    async fn try_to_look<T>(
        &mut self,
        act: &impl AsyncFn(&mut Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let session = self.session().await?;
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let looked = act(&mut Transaction::Postgres(&session)).await;
        self.end(session, "ROLLBACK").await;
        looked
    }

    /// As [`Ledger::dump`](super::Ledger::dump).
    pub(super) async fn dump(&mut self) -> Result<Vec<Table>, LedgerError> {
        self.look(async |transaction| {
            let tables = "SELECT CAST(relname AS TEXT) FROM pg_class
                WHERE relkind = 'r' AND relnamespace = CAST('coffer' AS regnamespace) ORDER BY oid";
            let mut dump = Vec::new();
            for table in transaction.rows(tables, cells![]).await? {
                let name: String = table.get(0)?;
                let sql = format!("SELECT CAST(row_to_json(t) AS TEXT) FROM \"{name}\" t");
                let mut rows = Vec::new();
                for row in transaction.rows(&sql, cells![]).await? {
                    let row: Value =
                        serde_json::from_str(&row.get::<String>(0)?).map_err(|_| bad(0))?;
                    rows.push(row.as_object().cloned().unwrap_or_default());
                }
                dump.push(Table { name, rows });
            }
            Ok(dump)
        })
        .await
    }

    async fn session(&mut self) -> Result<Session, LedgerError> {
        match self.session.take().filter(|session| !session.client.is_closed()) {
            Some(session) => Ok(session),
            None => Session::begin(&self.server).await,
        }
    }

    /// Ends a transaction in which nothing is to be kept.
    async fn end(&mut self, session: Session, sql: &str) {
        if session.run(sql).await.is_ok() {
            self.session = Some(session);
        }
    }
}

/// A session with the server.
pub(super) struct Session {
    client: Client,
    connection: JoinHandle<()>,
    timeout: Duration,
}

/// The server has to know that nobody waits for it any more: it may hold what others wait for.
impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    async fn begin(server: &Server) -> Result<Self, LedgerError> {
        let timeout = server.timeout;
        let (client, connection) = within(timeout, server.connect()).await?;
        let session = Self { client, connection, timeout };
        let milliseconds = timeout.as_millis();
        // Later than the client gives up by itself.
        let idle = 2 * milliseconds;
        // A transaction of a machine that went away would keep everybody else from writing. What was
        // committed before a store is asked to keep something must survive a power cut.
        let settings = format!(
            "SET search_path = coffer; SET client_min_messages = error;
             SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds};
             SET idle_in_transaction_session_timeout = {idle};
             SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off'"
        );
        session.run(&settings).await?;
        Ok(session)
    }

    /// Makes the tables or brings them up to this version. One process at a time does.
    async fn migrate(&self) -> Result<(), LedgerError> {
        let encoding = self.rows("SELECT current_setting('server_encoding')", cells![]).await?;
        if encoding.first().and_then(|row| row.get::<String>(0).ok()).as_deref() != Some("UTF8") {
            return Err(LedgerError::Refused("the database is not encoded in UTF-8".into()));
        }
        self.run("BEGIN").await?;
        // An error ends the session, and the server takes back what was begun.
        self.run(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        let schema = "SELECT nspname FROM pg_namespace WHERE nspname = 'coffer'";
        if self.rows(schema, cells![]).await?.is_empty() {
            self.run("CREATE SCHEMA coffer").await?;
        }
        // Another process may have done it while this one waited.
        let found = self.version().await?;
        for (to, migration) in (1_i64..).zip(MIGRATIONS).skip(found as usize) {
            self.run(migration).await?;
            self.execute("INSERT INTO migrations VALUES (?1)", cells![to]).await?;
        }
        self.run("COMMIT").await
    }

    /// The version of the tables; 0 if there are none.
    async fn version(&self) -> Result<u32, LedgerError> {
        let there = "SELECT relname FROM pg_class WHERE relname = 'migrations'
            AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'coffer')";
        if self.rows(there, cells![]).await?.is_empty() {
            return Ok(0);
        }
        let versions = self.rows("SELECT max(version) FROM coffer.migrations", cells![]).await?;
        let version: Option<i64> = versions.first().ok_or_else(|| bad(0))?.get(0)?;
        Ok(version.unwrap_or(0).try_into().unwrap_or(u32::MAX))
    }

    /// Runs statements without parameters.
    async fn run(&self, sql: &str) -> Result<(), LedgerError> {
        within(self.timeout, self.client.batch_execute(sql)).await
    }

    /// Commits. [`LedgerError::Unreachable`] if nobody knows whether that was done.
    async fn commit(&self) -> Result<(), LedgerError> {
        let committed = self.client.batch_execute("COMMIT");
        match tokio::time::timeout(self.timeout, committed).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(match (told(&error), error.as_db_error()) {
                // The server itself says that it did not: a conflict, a constraint, no room.
                (known, Some(said)) if is_verdict(said) => known,
                (LedgerError::Unreachable(why), _) => LedgerError::Unreachable(why),
                (other, _) => LedgerError::Unreachable(other.to_string()),
            }),
            Err(_) => Err(silence(self.timeout)),
        }
    }

    /// As [`Transaction::execute`].
    pub(super) async fn execute(&self, sql: &str, parameters: &[Cell]) -> Result<u64, LedgerError> {
        let (sql, parameters) = (dialect(sql), typed(parameters));
        within(self.timeout, self.client.execute_typed(&sql, &parameters)).await
    }

    /// As [`Transaction::rows`].
    pub(super) async fn rows(
        &self,
        sql: &str,
        parameters: &[Cell],
    ) -> Result<Vec<Row>, LedgerError> {
        let (sql, parameters) = (dialect(sql), typed(parameters));
        let rows = within(self.timeout, self.client.query_typed(&sql, &parameters)).await?;
        let row = |row: &tokio_postgres::Row| {
            let cells = (0..row.len()).map(|column| row.try_get(column));
            cells.collect::<Result<_, _>>().map(Row).map_err(|error| told(&error))
        };
        rows.iter().map(row).collect()
    }
}

/// PostgreSQL writes `$1` where SQLite writes `?1`.
fn dialect(sql: &str) -> String {
    sql.replace('?', "$")
}

/// With their types, so that one round trip is enough, and no prepared statement is needed, which
/// some poolers do not have.
fn typed(parameters: &[Cell]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    let typed = |cell| match cell {
        Cell::Integer(_) => Type::INT8,
        // It is the type of what it is compared to or put into.
        Cell::Null => Type::UNKNOWN,
        Cell::Text(_) => Type::TEXT,
    };
    parameters.iter().map(|cell| (cell as &(dyn ToSql + Sync), typed(cell.clone()))).collect()
}

async fn within<T>(
    timeout: Duration,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, LedgerError> {
    match tokio::time::timeout(timeout, asked).await {
        Ok(answer) => answer.map_err(|error| told(&error)),
        Err(_) => Err(silence(timeout)),
    }
}

fn silence(timeout: Duration) -> LedgerError {
    let timeout = humantime::format_duration(timeout);
    LedgerError::Unreachable(format!("it did not answer within {timeout}"))
}

/// What an error of the server, or of the way to it, means. Messages of the server name columns, users and
/// databases; what they quote of a row is in their details, which are left out.
fn told(error: &Error) -> LedgerError {
    let Some(said) = error.as_db_error() else { return lost(error) };
    let (code, message) = (said.code(), said.message().to_owned());
    match &code.code()[..2] {
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            LedgerError::Refused("it is a server that is only read from".into())
        }
        "53" if *code == SqlState::DISK_FULL => LedgerError::Unreachable(message),
        // Not authorized, no such database, no privilege, no such schema.
        "28" | "3D" | "3F" => LedgerError::Refused(message),
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => LedgerError::Refused(message),
        // It gave up on a transaction whose client was silent.
        "25" if *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            LedgerError::Unreachable(message)
        }
        // Connections, conflicts, resources, objects that others have, the operator of the server, its system.
        "08" | "40" | "53" | "55" | "57" | "58" => LedgerError::Unreachable(message),
        _ => LedgerError::Sql(format!("{message} ({})", code.code())),
    }
}

/// Whether the server says that a commit was not done, rather than that it is going away.
fn is_verdict(said: &DbError) -> bool {
    matches!(&said.code().code()[..2], "22" | "23" | "25" | "40" | "42" | "53")
}

fn lost(error: &Error) -> LedgerError {
    // The name in a certificate's error is the host of the URL.
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    let why = match error.to_string() {
        kind if kind.contains("TLS") && source.contains("does not support") => {
            return LedgerError::Refused(
                "it does not speak TLS, which coffer asks for unless the url has `sslmode=disable` or is \
                 one of this machine"
                    .into(),
            );
        }
        kind if kind.contains("TLS") => {
            return LedgerError::Refused(format!("its certificate is not trusted: {source}"));
        }
        kind if kind.contains("authentication") || kind.contains("configuration") => {
            return LedgerError::Refused(source);
        }
        kind if source.is_empty() => kind,
        _ => source,
    };
    LedgerError::Unreachable(why)
}

/// Names a transaction.
fn token() -> String {
    let mut random = [0; 16];
    crate::random::fill(&mut random).expect("the operating system gives random bytes");
    format!("{:032x}", u128::from_be_bytes(random))
}

impl ToSql for Cell {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Null => Ok(IsNull::Yes),
            Self::Text(text) => text.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl FromSql<'_> for Cell {
    fn from_sql(kind: &Type, raw: &[u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *kind {
            Type::INT8 => i64::from_sql(kind, raw).map(Self::Integer),
            _ => String::from_sql(kind, raw).map(Self::Text),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::NAME | Type::TEXT)
    }
}

/// What made each version out of the one before. Append only.
const MIGRATIONS: [&str; 1] = [include_str!("postgres.sql")];

/// Who has it may change the tables.
const MIGRATION_LOCK: i64 = 0x636f_6666_6572; // "coffer"

/// How long a server may take for one step, unless the configuration says otherwise. As Porter's.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long after the loss of a connection another is tried.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a transaction is remembered: longer than anybody asks, which is for as long as a statement takes.
const COMMITS_KEPT_MS: i64 = 2 * 3600 * 1000;
