//! `schema.sql` from a variant's entities.

use std::fmt::Write;

use indexmap::IndexMap;

use super::style::Ids;
use super::world::{Column, Entity, Kind, id_type};

/// The tables, parents first, with their indexes.
pub(crate) fn schema(entities: &IndexMap<String, Entity>, ids: Ids) -> String {
    let mut text = String::new();
    for entity in entities.values() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table(entity, entities, ids));
    }
    text
}

fn table(entity: &Entity, entities: &IndexMap<String, Entity>, ids: Ids) -> String {
    let mut lines = Vec::new();
    if entity.key.is_empty() {
        lines.push(match id_type(ids) {
            "INTEGER" => "id INTEGER PRIMARY KEY AUTOINCREMENT".to_owned(),
            other => format!("id {other} NOT NULL PRIMARY KEY"),
        });
    }
    lines.extend(entity.columns.iter().map(|(name, column)| definition(name, column, entities, ids)));
    if !entity.key.is_empty() {
        lines.push(format!("PRIMARY KEY ({})", entity.key.join(", ")));
    }
    lines.extend(entity.unique.iter().map(|columns| format!("UNIQUE ({})", columns.join(", "))));
    lines.extend(entity.checks.iter().map(|check| format!("CHECK ({check})")));
    let mut text = format!("CREATE TABLE {} (\n  {}\n) STRICT;\n", entity.table, lines.join(",\n  "));
    let mut indexed: Vec<Vec<String>> = entity.indexes.clone();
    for (name, column) in &entity.columns {
        let alone = vec![name.clone()];
        if matches!(column.kind, Kind::Ref { .. }) && !column.unique && !indexed.contains(&alone) {
            indexed.push(alone);
        }
    }
    for columns in indexed {
        let name = format!("{}_by_{}", entity.table, columns.join("_"));
        // Writing to a text can't fail.
        let _ = writeln!(text, "CREATE INDEX {name} ON {}({});", entity.table, columns.join(", "));
    }
    text
}

fn definition(name: &str, column: &Column, entities: &IndexMap<String, Entity>, ids: Ids) -> String {
    let mut text = format!("{name} {}", column.sql_type(ids));
    if column.null.is_none() {
        text.push_str(" NOT NULL");
    }
    if column.unique {
        text.push_str(" UNIQUE");
    }
    if let Some(default) = &column.default {
        text.push_str(&format!(" DEFAULT {}", default_literal(default, column)));
    }
    match &column.kind {
        Kind::Ref { entity, .. } => {
            let table = entities.get(entity).map_or(entity.as_str(), |entity| entity.table.as_str());
            text.push_str(&format!(" REFERENCES {table}(id)"));
        }
        Kind::Enum { members, .. } => {
            let members: Vec<String> = members.iter().map(|member| format!("'{member}'")).collect();
            text.push_str(&format!(" CHECK ({name} IN ({}))", members.join(", ")));
        }
        Kind::Bool(_) => text.push_str(&format!(" CHECK ({name} IN (0, 1))")),
        _ => {}
    }
    text
}

/// A default as an SQL literal: words of an enum and texts may be written without quotes.
fn default_literal(default: &str, column: &Column) -> String {
    let quoted = default.starts_with('\'') || default.parse::<f64>().is_ok() || default.eq_ignore_ascii_case("null");
    let is_text = matches!(column.kind, Kind::Enum { .. } | Kind::Text { .. });
    if is_text && !quoted { format!("'{}'", default.replace('\'', "''")) } else { default.to_owned() }
}
