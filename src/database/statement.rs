//! What a statement reads, writes and returns, told without running it.

use rusqlite::{Connection, Result, Statement};

use super::connection::Link;
use super::guard::{Access, Author};
use super::nullness::{Instruction, explain, result_columns};

/// A statement as SQLite understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementInfo {
    /// It writes nothing (`sqlite3_stmt_readonly`).
    pub readonly: bool,
    /// Parameters in the order of their indices, with their prefix (`:name`); `?` for one without a name.
    pub parameters: Vec<String>,
    /// Columns of its result; empty for statements without one.
    pub columns: Vec<ColumnInfo>,
    /// Tables it touches itself or through views, triggers and foreign key actions; ordered. SQLite's own are left out.
    pub tables: Vec<TableUse>,
    /// A date function is used together with the text `localtime` or `utc`. At run time these modifiers fail, since they
    /// would follow the host; here is where to say so. Texts that are put together at run time are not seen.
    pub uses_local_time: bool,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name in the result.
    pub name: String,
    /// The column of a table it shows; None for expressions.
    pub origin: Option<ColumnOrigin>,
    /// Whether NULL may be returned. `false` is certain, outer joins, subqueries and compounds considered; expressions
    /// are always `true`.
    pub nullable: bool,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnOrigin {
    /// `main`, or `initial` when judging.
    pub database: String,
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// Its type as declared; None where none is (columns of full-text tables).
    pub declared_type: Option<String>,
    /// Whether it can never be NULL in its table: declared NOT NULL, or a primary key.
    pub not_null: bool,
}

/// One way in which a statement touches a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableUse {
    /// `main`, or `initial` when judging.
    pub database: String,
    /// The table or view.
    pub table: String,
    /// What is done to it.
    pub operation: Operation,
    /// The columns read or updated, ordered; empty where whole rows are meant.
    pub columns: Vec<String>,
}

/// What a statement does to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Reads from it.
    Read,
    /// Inserts rows.
    Insert,
    /// Changes rows.
    Update,
    /// Deletes rows.
    Delete,
}

/// Functions that take time modifiers.
const DATE_FUNCTIONS: [&str; 7] = ["date(", "time(", "datetime(", "julianday(", "unixepoch(", "strftime(", "timediff("];

pub(super) fn describe(link: &Link, author: Author, sql: &str) -> Result<StatementInfo> {
    let compile = || link.connection.prepare(sql);
    let (statement, accesses) = link.guard.compile_recording(author, compile)?;
    if statement.is_explain() != 0 {
        return Err(link.guard.refuse("EXPLAIN", author));
    }
    let parameters = (1..=statement.parameter_count())
        .map(|index| statement.parameter_name(index).unwrap_or("?").to_owned())
        .collect();
    link.guard.as_layer(|| {
        let instructions = explain(&link.connection, sql)?;
        Ok(StatementInfo {
            readonly: statement.readonly(),
            parameters,
            columns: columns(link, &statement, &instructions)?,
            tables: tables(accesses),
            uses_local_time: uses_local_time(&instructions),
        })
    })
}

fn columns(link: &Link, statement: &Statement<'_>, instructions: &[Instruction]) -> Result<Vec<ColumnInfo>> {
    let stored = link.stored_columns()?;
    let may_be_null = result_columns(instructions, statement.column_count(), stored);
    statement
        .columns_with_metadata()
        .zip(may_be_null)
        .map(|(column, may_be_null)| {
            let names = (column.database_name(), column.table_name(), column.origin_name());
            let origin = match names {
                (Some(database), Some(table), Some(column)) => Some(origin(&link.connection, database, table, column)?),
                _ => None,
            };
            Ok(ColumnInfo { name: column.name().to_owned(), nullable: may_be_null || origin.is_none(), origin })
        })
        .collect()
}

fn origin(connection: &Connection, database: &str, table: &str, column: &str) -> Result<ColumnOrigin> {
    let (declared_type, _, not_null, primary_key, _) = connection.column_metadata(Some(database), table, column)?;
    let declared_type = declared_type.map(|text| text.to_string_lossy().into_owned());
    let row_id = primary_key && declared_type.as_ref().is_some_and(|declared| declared.eq_ignore_ascii_case("INTEGER"));
    Ok(ColumnOrigin {
        database: database.to_owned(),
        table: table.to_owned(),
        column: column.to_owned(),
        not_null: not_null || row_id,
        declared_type,
    })
}

fn tables(accesses: Vec<Access>) -> Vec<TableUse> {
    let mut tables: Vec<TableUse> = Vec::new();
    for access in accesses {
        if access.table.starts_with("sqlite_") {
            continue;
        }
        let same = |table: &&mut TableUse| {
            table.database == access.database && table.table == access.table && table.operation == access.operation
        };
        let columns = (!access.column.is_empty()).then_some(access.column.clone());
        match tables.iter_mut().find(same) {
            Some(table) => table.columns.extend(columns),
            None => tables.push(TableUse {
                database: access.database,
                table: access.table,
                operation: access.operation,
                columns: columns.into_iter().collect(),
            }),
        }
    }
    tables.sort();
    tables
}

fn uses_local_time(instructions: &[Instruction]) -> bool {
    let with_text = |opcodes: &[&str], test: &dyn Fn(&str) -> bool| {
        instructions.iter().any(|one| opcodes.contains(&one.opcode.as_str()) && test(&one.p4))
    };
    let modifier = |text: &str| ["localtime", "utc"].iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    let date = |name: &str| DATE_FUNCTIONS.iter().any(|function| name.starts_with(function));
    with_text(&["String8", "String"], &modifier) && with_text(&["Function", "PureFunc"], &date)
}
