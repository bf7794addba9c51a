//! The little of SQL that the compiler has to understand: commas, aliases, plain columns.

use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::Regex;

use super::super::world::{Column, Entity};

/// Parts of a list at commas outside parentheses and quotes.
pub(crate) fn split_commas(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut start) = (0_i32, false, 0);
    for (index, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

static ALIAS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:^|\bFROM\b|\bJOIN\b|,)\s*(\w+)(?:\s+(?:AS\s+)?(\w+))?"));
static NAMED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?is)^(.*)\s+AS\s+(\w+)$"));
static COLUMN: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:(\w+)\.)?(\w+)$"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|err| unreachable!("a pattern of ours doesn't compile: {err}"))
}

/// Words that follow a table's name and are no alias.
const NO_ALIAS: &[&str] =
    &["join", "left", "inner", "cross", "on", "where", "group", "order", "limit", "using", "natural", "union"];

/// Tables of a FROM by alias, in order.
pub(crate) fn aliases<'e>(from: &str, entities: &'e IndexMap<String, Entity>) -> Vec<(String, &'e Entity)> {
    let mut found = Vec::new();
    for capture in ALIAS.captures_iter(from) {
        let table = &capture[1];
        let Some(entity) = entities.values().find(|entity| entity.table == table) else { continue };
        let alias = capture
            .get(2)
            .map(|alias| alias.as_str())
            .filter(|alias| !NO_ALIAS.contains(&alias.to_lowercase().as_str()));
        found.push((alias.unwrap_or(table).to_owned(), entity));
    }
    found
}

/// The column that an expression is, if it is just a column.
pub(crate) fn plain_column<'e>(expression: &str, aliases: &[(String, &'e Entity)]) -> Option<&'e Column> {
    let capture = COLUMN.captures(expression.trim())?;
    let name = &capture[2];
    match capture.get(1) {
        Some(alias) => aliases.iter().find(|(known, _)| known == alias.as_str())?.1.columns.get(name),
        None => aliases.iter().find_map(|(_, entity)| entity.columns.get(name)),
    }
}

/// The expressions of a select list with the names of their columns.
pub(crate) fn columns(list: &str) -> Vec<(String, String)> {
    let named = |part: &str| match NAMED.captures(part) {
        Some(capture) => (capture[1].trim().to_owned(), capture[2].to_owned()),
        None => {
            let name = part.rsplit('.').next().unwrap_or(part).trim();
            (part.to_owned(), name.to_owned())
        }
    };
    split_commas(list).into_iter().map(named).collect()
}

/// A SELECT's list and what follows FROM.
pub(crate) fn select_parts(sql: &str) -> Option<(&str, &str)> {
    let body = sql.trim();
    let start = body.get(..6).filter(|word| word.eq_ignore_ascii_case("select")).map(|_| 6)?;
    let (mut depth, mut quoted) = (0_i32, false);
    let lower = body.to_ascii_lowercase();
    for (index, letter) in body.char_indices().skip_while(|(index, _)| *index < start) {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ if !quoted && depth == 0 && lower[index..].starts_with("from") => {
                let before = body[..index].ends_with(char::is_whitespace);
                if before && lower[index + 4..].starts_with(char::is_whitespace) {
                    return Some((body[start..index].trim(), body[index + 4..].trim()));
                }
            }
            _ => {}
        }
    }
    None
}

/// JSON types of the columns of a select list that are plain and whose type SQLite doesn't tell: booleans.
pub(crate) fn boolean_columns(
    list: &str,
    from: &str,
    entities: &IndexMap<String, Entity>,
) -> Vec<(String, &'static str)> {
    let aliases = aliases(from, entities);
    let list = list.trim();
    let list = list.get(..9).filter(|word| word.eq_ignore_ascii_case("distinct ")).map_or(list, |_| &list[9..]);
    let mut types = Vec::new();
    for (expression, name) in columns(list) {
        if let Some(column) = plain_column(&expression, &aliases)
            && matches!(column.kind, super::super::world::Kind::Bool(_))
        {
            types.push((name, if column.null.is_some() { "boolean?" } else { "boolean" }));
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_lists_are_cut_at_their_own_commas() {
        let list = "b.id, coalesce(b.note, 'a, b') AS note, (SELECT max(x, y) FROM t) AS top";
        let names: Vec<String> = columns(list).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["id", "note", "top"]);
        let (list, from) = select_parts("SELECT (SELECT 1 FROM x) AS a, b FROM t WHERE c").unwrap();
        assert_eq!((list, from), ("(SELECT 1 FROM x) AS a, b", "t WHERE c"));
    }
}
