//! The tables of an environment as judging needs them: columns, keys, references.

use std::collections::BTreeSet;

use rusqlite::Connection;

/// Every ordinary table of an environment, by name. SQLite's own tables, virtual tables and the shadow tables behind them are
/// not listed: they hold nothing an author wrote.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    /// The tables, sorted by name.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Declared types of the columns.
    pub types: Vec<String>,
    /// Columns of the primary key; empty for a table without one, whose rows are known by rowid.
    pub key: Vec<usize>,
    /// The column that is an alias of the rowid, if any.
    pub rowid: Option<usize>,
    /// True where the rowid is declared AUTOINCREMENT.
    pub autoincrement: bool,
    /// True for STRICT tables.
    pub strict: bool,
    /// Declared foreign keys.
    pub references: Vec<Reference>,
    /// Sets of columns that are declared unique, the primary key aside.
    pub unique: Vec<Vec<usize>>,
    /// Query for all rows in the order of their keys; the first column is the rowid where there is no key.
    pub select: String,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    /// Its columns.
    pub columns: Vec<usize>,
    /// Index of the table it refers to.
    pub table: usize,
    /// The columns there.
    pub targets: Vec<usize>,
}

impl Table {
    /// True where new rows get their key from SQLite, so that its value means nothing.
    pub(crate) fn generates_key(&self) -> bool {
        match self.rowid {
            Some(column) => !self.references.iter().any(|reference| reference.columns.contains(&column)),
            None => self.key.is_empty(),
        }
    }

    /// Index of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }
}

impl Catalog {
    /// Reads the catalog of a database.
    pub(crate) fn read(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let mut statement = connection.prepare(
            "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        )?;
        let names = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        let mut tables = Vec::new();
        for (name, strict) in names {
            tables.push(table(connection, name, strict)?);
        }
        let mut catalog = Self { tables };
        for index in 0..catalog.tables.len() {
            let references = references(connection, &catalog, index)?;
            catalog.tables[index].references = references;
        }
        Ok(catalog)
    }

    /// Index of a table.
    pub(crate) fn table(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// Number of rows in all tables.
    pub(crate) fn rows(&self, connection: &Connection) -> usize {
        let count = |name: &str| -> usize {
            let query = format!("SELECT count(*) FROM {}", quote(name));
            let count = connection.query_row(&query, [], |row| row.get::<_, i64>(0));
            count.ok().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
        };
        self.tables.iter().map(|table| count(&table.name)).sum()
    }

    /// Indexes of the tables with these names.
    pub(crate) fn indexes<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> BTreeSet<usize> {
        names.into_iter().filter_map(|name| self.table(name)).collect()
    }
}

fn table(connection: &Connection, name: String, strict: bool) -> Result<Table, rusqlite::Error> {
    let mut statement =
        connection.prepare("SELECT name, type, pk FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")?;
    let found = statement
        .query_map([&name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut key: Vec<(i64, usize)> =
        found.iter().enumerate().filter(|(_, column)| column.2 > 0).map(|(index, column)| (column.2, index)).collect();
    key.sort_unstable();
    let key: Vec<usize> = key.into_iter().map(|(_, index)| index).collect();
    let sql: String =
        connection
            .query_row("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1", [&name], |row| row.get(0))?;
    let without_rowid: bool =
        connection
            .query_row("SELECT wr FROM pragma_table_list(?1) WHERE schema = 'main'", [&name], |row| row.get(0))?;
    let rowid = match key.as_slice() {
        [column] if !without_rowid && found[*column].1.eq_ignore_ascii_case("INTEGER") => Some(*column),
        _ => None,
    };
    let columns: Vec<String> = found.iter().map(|column| column.0.clone()).collect();
    let select = select(&name, &columns, &key);
    Ok(Table {
        unique: unique(connection, &name, &columns)?,
        types: found.into_iter().map(|column| column.1).collect(),
        autoincrement: rowid.is_some() && sql.to_ascii_uppercase().contains("AUTOINCREMENT"),
        name,
        columns,
        key,
        rowid,
        strict,
        references: Vec::new(),
        select,
    })
}

fn select(name: &str, columns: &[String], key: &[usize]) -> String {
    let list = columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    let name = quote(name);
    if key.is_empty() {
        return format!("SELECT rowid, {list} FROM {name} ORDER BY rowid");
    }
    let order = key.iter().map(|column| quote(&columns[*column])).collect::<Vec<_>>().join(", ");
    format!("SELECT {list} FROM {name} ORDER BY {order}")
}

/// An SQL identifier in quotes.
pub(crate) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn unique(connection: &Connection, name: &str, columns: &[String]) -> Result<Vec<Vec<usize>>, rusqlite::Error> {
    let mut statement = connection
        .prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND origin <> 'pk' AND partial = 0")?;
    let indexes = statement.query_map([name], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut unique = Vec::new();
    for index in indexes {
        let mut statement = connection.prepare("SELECT name FROM pragma_index_info(?1)")?;
        let names =
            statement.query_map([&index], |row| row.get::<_, Option<String>>(0))?.collect::<Result<Vec<_>, _>>()?;
        let positions: Option<Vec<usize>> =
            names.iter().map(|name| columns.iter().position(|column| Some(column) == name.as_ref())).collect();
        unique.extend(positions);
    }
    Ok(unique)
}

fn references(connection: &Connection, catalog: &Catalog, index: usize) -> Result<Vec<Reference>, rusqlite::Error> {
    let table = &catalog.tables[index];
    let mut statement = connection
        .prepare("SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq")?;
    let rows = statement
        .query_map([&table.name], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, Option<String>>(3)?,
            ))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let mut references: Vec<(i64, Reference)> = Vec::new();
    for (id, target, from, to) in rows {
        let (Some(target), Some(column)) = (catalog.table(&target), table.column(&from)) else {
            continue;
        };
        if references.last().is_none_or(|(last, _)| *last != id) {
            let reference = Reference { columns: Vec::new(), table: target, targets: Vec::new() };
            references.push((id, reference));
        }
        if let Some((_, reference)) = references.last_mut() {
            let position = reference.columns.len();
            let implicit = catalog.tables[target].key.get(position).copied();
            reference.columns.push(column);
            reference.targets.extend(to.and_then(|to| catalog.tables[target].column(&to)).or(implicit));
        }
    }
    Ok(references.into_iter().map(|(_, reference)| reference).collect())
}
