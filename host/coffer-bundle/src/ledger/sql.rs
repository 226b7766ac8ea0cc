//! The little of SQL that the ledger needs, for every database that speaks it. The statements are written
//! once, in what SQLite and PostgreSQL both understand; parameters are `?1`, `?2`, each used for one type.

use super::postgres::Session;
use super::{LedgerError, local_ms};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

/// What a row has in a column, and what a statement is given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Integer(i64),
    Null,
    Text(String),
}

/// A row, as it was asked for.
#[derive(Debug)]
pub(super) struct Row(pub(super) Vec<Cell>);

/// A transaction that has begun.
#[derive(Debug)]
pub(super) enum Transaction<'a> {
    /// Of a server, whose clock counts.
    Postgres(&'a Session),
    /// Of a file, whose clock is this machine's, or of a part of a server's ledger in memory, with the time
    /// that the server said.
    Sqlite(&'a mut Connection, Option<i64>),
}

/// The parameters of a statement.
macro_rules! cells {
    ($($value:expr),* $(,)?) => { &[$($crate::ledger::sql::Cell::from($value)),*] };
}
pub(super) use cells;

impl Transaction<'_> {
    /// Does something, and says how many rows it was done to.
    pub(super) async fn execute(
        &mut self,
        sql: &str,
        parameters: &[Cell],
    ) -> Result<u64, LedgerError> {
        match self {
            Self::Postgres(session) => session.execute(sql, parameters).await,
            Self::Sqlite(connection, _) => {
                let done = connection.prepare(sql)?.execute(params_from_iter(parameters))?;
                Ok(done as u64)
            }
        }
    }

    /// Asks for rows.
    pub(super) async fn rows(
        &mut self,
        sql: &str,
        parameters: &[Cell],
    ) -> Result<Vec<Row>, LedgerError> {
        match self {
            Self::Postgres(session) => session.rows(sql, parameters).await,
            Self::Sqlite(connection, _) => {
                let mut statement = connection.prepare(sql)?;
                let columns = statement.column_count();
                let read = |row: &rusqlite::Row<'_>| {
                    (0..columns).map(|column| cell(row.get_ref(column)?)).collect()
                };
                let rows = statement.query_map(params_from_iter(parameters), read)?;
                rows.map(|row| Ok(Row(row?))).collect()
            }
        }
    }

    /// Asks for a row that may not be there.
    pub(super) async fn row(
        &mut self,
        sql: &str,
        parameters: &[Cell],
    ) -> Result<Option<Row>, LedgerError> {
        Ok(self.rows(sql, parameters).await?.into_iter().next())
    }

    /// Milliseconds since the Unix epoch, by the clock that every user of this ledger has.
    pub(super) async fn now_ms(&mut self) -> Result<i64, LedgerError> {
        match self {
            Self::Postgres(_) => {
                let now = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
                self.row(now, &[]).await?.ok_or_else(|| bad(0))?.get(0)
            }
            Self::Sqlite(_, now) => Ok(now.unwrap_or_else(local_ms)),
        }
    }

    /// Whether every user of this ledger is on this machine.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Sqlite(_, None))
    }
}

impl Row {
    /// What stands in a column.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sql`] if it is not what was expected.
    pub(super) fn get<T: FromCell>(&self, column: usize) -> Result<T, LedgerError> {
        self.0.get(column).and_then(T::from_cell).ok_or_else(|| bad(column))
    }
}

/// A row has something else than what was written.
pub(super) fn bad(column: usize) -> LedgerError {
    LedgerError::Sql(format!("column {column} of an answer is not what the ledger writes"))
}

/// What a column can be read as.
pub(super) trait FromCell: Sized {
    fn from_cell(cell: &Cell) -> Option<Self>;
}

impl FromCell for String {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(text.clone()),
            Cell::Integer(_) | Cell::Null => None,
        }
    }
}

impl FromCell for i64 {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Integer(number) => Some(*number),
            Cell::Null | Cell::Text(_) => None,
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&&str> for Cell {
    fn from(text: &&str) -> Self {
        Self::Text((*text).to_owned())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn cell(value: ValueRef<'_>) -> rusqlite::Result<Cell> {
    Ok(match value {
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Null => Cell::Null,
        // The schema is strict: nothing else is in it.
        value => Cell::Text(value.as_str()?.to_owned()),
    })
}
