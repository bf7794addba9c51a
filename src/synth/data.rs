//! `data.sql`: rows drawn, computed and tidied up in a scratch database, then written out.

mod functions;
mod rows;

use std::fmt::Write;

use indexmap::IndexMap;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

pub(crate) use self::functions::Clock;
use self::functions::Shared;
use super::rng::Rng;
use super::style::Ids;
use super::world::{Entity, Resolver};
use crate::database;
use crate::package::diagnostic::Code;

/// Rows of one INSERT statement: enough to be short, few enough to find a row.
const ROWS_PER_INSERT: usize = 50;

/// The rows of a variant as SQL.
pub(crate) fn generate(resolver: &mut Resolver<'_>, entities: &IndexMap<String, Entity>, clock: Clock) -> String {
    let rng = resolver.variant.rng.fork("data");
    let ids = resolver.variant.style.ids;
    let Ok(scratch) = Scratch::open(entities, ids, clock, rng) else { return String::new() };
    for entity in entities.values() {
        scratch.fill(resolver, entity, entities);
    }
    let model = resolver.model;
    for statement in &model.data {
        if !resolver.holds(&statement.condition) {
            continue;
        }
        let sql = resolver.sql(&statement.place, 0, &statement.value.run);
        if let Err(err) = scratch.run(&sql) {
            resolver.wrong(Code::BlueprintSql, &statement.place, 0, format!("data: {err} in: {}", shown(&sql)));
        }
    }
    entities.values().map(|entity| scratch.dump(entity)).collect()
}

/// An in-memory database with the tables of a variant, without constraints.
struct Scratch {
    connection: Connection,
    shared: Shared,
    clock: Clock,
}

impl Scratch {
    fn open(entities: &IndexMap<String, Entity>, ids: Ids, clock: Clock, rng: Rng) -> rusqlite::Result<Self> {
        let connection = database::open_scratch()?;
        for entity in entities.values() {
            let columns: Vec<String> = entity.columns.keys().map(|name| format!("\"{name}\"")).collect();
            let id = if entity.key.is_empty() { "id, " } else { "" };
            connection.execute_batch(&format!("CREATE TABLE \"{}\"({id}{})", entity.table, columns.join(", ")))?;
        }
        let shared = functions::install(&connection, clock, rng, entities, ids)?;
        Ok(Self { connection, shared, clock })
    }

    /// Runs one statement of an author.
    fn run(&self, sql: &str) -> Result<(), String> {
        let sql = self.clock.fill(sql);
        let mut statement = self.connection.prepare(&sql).map_err(|err| plain(&err))?;
        let mut rows = statement.raw_query();
        while rows.next().map_err(|err| plain(&err))?.is_some() {}
        Ok(())
    }

    fn dump(&self, entity: &Entity) -> String {
        self.rows_of(entity).unwrap_or_default()
    }

    fn rows_of(&self, entity: &Entity) -> rusqlite::Result<String> {
        let mut names: Vec<&str> = entity.columns.keys().map(String::as_str).collect();
        if entity.key.is_empty() {
            names.insert(0, "id");
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let sql = format!("SELECT {} FROM \"{}\" ORDER BY rowid", quoted.join(", "), entity.table);
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut text = String::new();
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let separator = if count % ROWS_PER_INSERT > 0 {
                ",\n"
            } else {
                if count > 0 {
                    text.push_str(";\n");
                }
                // Writing to a text can't fail.
                let _ = write!(text, "INSERT INTO {}({}) VALUES", entity.table, names.join(", "));
                "\n"
            };
            text.push_str(separator);
            text.push_str("  (");
            for index in 0..names.len() {
                if index > 0 {
                    text.push_str(", ");
                }
                literal(row.get_ref(index)?, &mut text);
            }
            text.push(')');
            count += 1;
        }
        if count > 0 {
            text.push_str(";\n");
        }
        Ok(text)
    }
}

fn literal(value: ValueRef<'_>, text: &mut String) {
    match value {
        ValueRef::Null | ValueRef::Blob(_) => text.push_str("NULL"),
        // Writing to a text can't fail.
        ValueRef::Integer(number) => drop(write!(text, "{number}")),
        ValueRef::Real(number) => drop(write!(text, "{number:?}")),
        ValueRef::Text(bytes) => {
            text.push('\'');
            text.push_str(&String::from_utf8_lossy(bytes).replace('\'', "''"));
            text.push('\'');
        }
    }
}

fn plain(err: &rusqlite::Error) -> String {
    let text = err.to_string();
    text.split(" in ").next().unwrap_or_default().to_owned()
}

/// SQL short enough for a message.
pub(crate) fn shown(sql: &str) -> String {
    const LENGTH_MAX: usize = 160;
    let one_line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if one_line.chars().count() <= LENGTH_MAX {
        return one_line;
    }
    format!("{}...", one_line.chars().take(LENGTH_MAX).collect::<String>())
}
