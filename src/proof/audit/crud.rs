//! Which tools do no more than create, read, update or delete rows of one table.
//!
//! A tool that only reads is plain where its lets and members together name one table and aggregate nothing. A tool that writes is
//! plain where it has one `run` and nothing decides about it but guards that the rows named exist. Guards whose code ends in
//! `_not_found` and values that only count rows, as every page of a list has them, make no difference to either.

use std::collections::BTreeSet;

use crate::engine::catalog::Catalog;
use crate::engine::environment::{Environment, Tool};
use crate::engine::program::{Action, Query, Shape};
use crate::proof::walk::sql::{Token, tokens};

const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "total",
    "group_concat",
    "string_agg",
    "json_group_array",
    "json_group_object",
];

/// Words that end a list of tables.
const AFTER_TABLES: &[&str] =
    &["WHERE", "GROUP", "ORDER", "LIMIT", "HAVING", "UNION", "WINDOW", "SET", "VALUES", "RETURNING"];

/// Number of tools that do more.
pub(super) fn tools_beyond(environment: &Environment) -> usize {
    environment.tools().values().filter(|tool| !is_plain(environment.catalog(), tool)).count()
}

fn is_plain(catalog: &Catalog, tool: &Tool) -> bool {
    let program = tool.program();
    let mut runs = 0;
    let mut reads: Vec<&Query> = Vec::new();
    for step in &program.steps {
        match &step.action {
            Action::Guard { refusal, .. } if refusal.code.ends_with("_not_found") => {}
            Action::Guard { .. } if !program.read_only() => return false,
            Action::Guard { query, .. } | Action::Let { query, .. } => {
                reads.push(query);
                reads.extend(&step.when);
            }
            Action::Run { .. } => runs += 1,
        }
    }
    if !program.read_only() {
        // What is bound from the rows of other tables decides about the write.
        let written = tool.written_tables();
        return runs == 1 && reads.iter().all(|query| tables(catalog, &query.sql).is_subset(written));
    }
    let members = program.members.iter();
    let told = members.filter(|member| !(member.shape == Shape::Value && only_counts(&member.query.sql)));
    reads.extend(told.map(|member| &member.query));
    let named: BTreeSet<usize> = reads.iter().flat_map(|query| tables(catalog, &query.sql)).collect();
    named.len() <= 1 && !reads.iter().any(|query| !aggregates(&query.sql).is_empty())
}

/// True where the only aggregate is a number of rows.
fn only_counts(sql: &str) -> bool {
    let found = aggregates(sql);
    !found.is_empty() && found.iter().all(|name| name == "count")
}

/// The aggregate functions that a statement calls; of two and more arguments, min and max are none.
fn aggregates(sql: &str) -> Vec<String> {
    let tokens = tokens(sql);
    let mut found = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        let (Token::Word(word), Token::Symbol(bracket)) = (&pair[0], &pair[1]) else { continue };
        let name = word.to_ascii_lowercase();
        if bracket != "(" || !AGGREGATES.contains(&name.as_str()) {
            continue;
        }
        if !(matches!(name.as_str(), "min" | "max") && has_comma(&tokens[index + 2..])) {
            found.push(name);
        }
    }
    let windows = tokens.iter().filter(|token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("OVER")));
    found.extend(windows.map(|_| "over".to_owned()));
    found
}

/// Whether there is a comma before the bracket that closes what has begun.
fn has_comma(tokens: &[Token]) -> bool {
    let mut depth = 0_usize;
    for token in tokens {
        let Token::Symbol(symbol) = token else { continue };
        match symbol.as_str() {
            "(" => depth += 1,
            ")" if depth == 0 => return false,
            ")" => depth -= 1,
            "," if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// The tables that a statement names.
fn tables(catalog: &Catalog, sql: &str) -> BTreeSet<usize> {
    let mut named = BTreeSet::new();
    // Whether the next word is a table; and, by depth of brackets, whether one may come behind a comma.
    let mut expected = false;
    let mut lists = vec![false];
    for token in tokens(sql) {
        match token {
            Token::Word(word) if expected => {
                named.extend(catalog.table(&word));
                expected = false;
            }
            Token::Word(word) => {
                let is = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(&word));
                if is(&["FROM", "JOIN", "INTO", "UPDATE"]) {
                    expected = true;
                    let in_list = lists.last() == Some(&true);
                    set_last(&mut lists, in_list || word.eq_ignore_ascii_case("FROM"));
                } else if is(AFTER_TABLES) {
                    set_last(&mut lists, false);
                }
            }
            Token::Symbol(symbol) => {
                expected = symbol == "," && lists.last() == Some(&true);
                match symbol.as_str() {
                    "(" => lists.push(false),
                    ")" if lists.len() > 1 => drop(lists.pop()),
                    _ => {}
                }
            }
            _ => expected = false,
        }
    }
    named
}

fn set_last(lists: &mut [bool], value: bool) {
    if let Some(last) = lists.last_mut() {
        *last = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_are_told_from_functions() {
        assert_eq!(aggregates("SELECT max(a, 0), coalesce(b, 1) FROM t"), [""; 0]);
        assert_eq!(aggregates("SELECT max(a), min(coalesce(a, b)) FROM t"), ["max", "min"]);
        assert_eq!(aggregates("SELECT rank() OVER (ORDER BY a) FROM t"), ["over"]);
        assert!(only_counts("SELECT (SELECT count(*) FROM t) > :page * 10"));
        assert!(!only_counts("SELECT count(*) + sum(a) FROM t"));
    }

    #[test]
    fn tools_of_the_lending_package() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lending");
        let environment = Environment::load(&folder).environment.unwrap();
        let catalog = environment.catalog();
        let named = |sql: &str| {
            let names = tables(catalog, sql).into_iter().map(|table| catalog.tables[table].name.clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(named("SELECT 1 FROM books b, loans l WHERE b.id = l.book_id"), ["books", "loans"]);
        assert_eq!(named("SELECT id, (SELECT count(*) FROM loans) FROM books ORDER BY id, title"), ["books", "loans"]);
        assert_eq!(named("UPDATE loans SET memo = :memo, due_on = 1 WHERE id = 1"), ["loans"]);
        assert_eq!(named("SELECT id, loans FROM books"), ["books"]);
        let plain: Vec<&str> = environment
            .tools()
            .values()
            .filter(|tool| is_plain(catalog, tool))
            .map(|tool| tool.name().as_ref())
            .collect();
        assert_eq!(plain, ["add_memo", "write_note"]);
    }
}
