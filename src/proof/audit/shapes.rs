//! Fingerprints that don't depend on names: environments that are the same but for their words have the same ones.
//!
//! The shape of a table is its definitions with names and literals left out, in any order; that of a statement is its tokens with
//! names, parameters and literals replaced by numbers in the order in which they first occur.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::engine::environment::Environment;
use crate::engine::program::{Action, Query};
use crate::proof::walk::sql::{Token, tokens};

/// What an environment is compared by.
#[derive(Debug, Clone, Default)]
pub(super) struct Shapes {
    /// Shapes of tables, each as often as it occurs; sorted.
    pub tables: Vec<u64>,
    /// Different shapes of statements; sorted.
    pub statements: Vec<u64>,
}

/// Words of SQL that mean the same everywhere. Everything else is a name.
const KEYWORDS: &[&str] = &[
    "ABORT",
    "ACTION",
    "ADD",
    "AFTER",
    "ALL",
    "ALWAYS",
    "AND",
    "AS",
    "ASC",
    "AUTOINCREMENT",
    "BEFORE",
    "BEGIN",
    "BETWEEN",
    "BLOB",
    "BY",
    "CASCADE",
    "CASE",
    "CAST",
    "CHECK",
    "COLLATE",
    "CONFLICT",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "CURRENT_TIMESTAMP",
    "DEFAULT",
    "DEFERRABLE",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "FILTER",
    "FOREIGN",
    "FROM",
    "FULL",
    "GENERATED",
    "GLOB",
    "GROUP",
    "HAVING",
    "IF",
    "IGNORE",
    "IN",
    "INDEX",
    "INNER",
    "INSERT",
    "INTEGER",
    "INTERSECT",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "KEY",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MATCH",
    "NOCASE",
    "NOT",
    "NOTHING",
    "NOTNULL",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRIMARY",
    "REAL",
    "RECURSIVE",
    "REFERENCES",
    "REPLACE",
    "RESTRICT",
    "RETURNING",
    "RIGHT",
    "ROWID",
    "SELECT",
    "SET",
    "STORED",
    "STRICT",
    "TABLE",
    "TEXT",
    "THEN",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VALUES",
    "VIRTUAL",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHOUT",
];

/// The shapes of an environment.
pub(super) fn of(environment: &Environment) -> Shapes {
    let mut tables: Vec<u64> = created(&environment.package().schema).iter().map(|table| table_shape(table)).collect();
    tables.sort_unstable();
    let mut statements: Vec<u64> =
        environment.tools().values().flat_map(|tool| statement_shapes(tool.program())).collect();
    statements.sort_unstable();
    statements.dedup();
    Shapes { tables, statements }
}

fn statement_shapes(program: &crate::engine::program::Program) -> Vec<u64> {
    let mut shapes = Vec::new();
    let mut add = |kind: &str, query: &Query| shapes.push(statement_shape(kind, &query.sql));
    for step in &program.steps {
        if let Some(when) = &step.when {
            add("when", when);
        }
        match &step.action {
            Action::Guard { query, .. } => add("guard", query),
            Action::Let { query, .. } => add("let", query),
            Action::Run { query } => add("run", query),
        }
    }
    program.members.iter().for_each(|member| add("member", &member.query));
    shapes
}

fn statement_shape(kind: &str, sql: &str) -> u64 {
    let tokens = tokens(sql);
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    for (index, token) in tokens.iter().enumerate() {
        let called = tokens.get(index + 1) == Some(&Token::Symbol("(".to_owned()));
        let known = names.len();
        let mut number = |name: String| *names.entry(name).or_insert(known);
        match token {
            Token::Word(word) if is_keyword(word) || called => ("w", word.to_ascii_uppercase()).hash(&mut hasher),
            Token::Word(word) => ("i", number(format!("i{}", word.to_ascii_lowercase()))).hash(&mut hasher),
            Token::Parameter(name) => ("p", number(format!("p{name}"))).hash(&mut hasher),
            Token::Number(_) => "n".hash(&mut hasher),
            Token::Text(_) => "t".hash(&mut hasher),
            Token::Symbol(symbol) => ("s", symbol).hash(&mut hasher),
        }
    }
    hasher.finish()
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

/// The definitions between the brackets of every CREATE TABLE.
fn created(schema: &str) -> Vec<Vec<Token>> {
    let tokens = tokens(&without_comments(schema));
    let is = |index: usize, word: &str| matches!(tokens.get(index), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
    let mut created = Vec::new();
    for start in (0..tokens.len()).filter(|index| is(*index, "CREATE") && is(index + 1, "TABLE")) {
        let open = tokens[start..].iter().position(|token| *token == Token::Symbol("(".to_owned()));
        let Some(open) = open.map(|open| start + open) else { continue };
        let mut depth = 0_usize;
        let mut inside = Vec::new();
        for token in &tokens[open..] {
            match token {
                Token::Symbol(symbol) if symbol == "(" => depth += 1,
                Token::Symbol(symbol) if symbol == ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
            inside.push(token.clone());
        }
        inside.remove(0);
        created.push(inside);
    }
    created
}

fn table_shape(definitions: &[Token]) -> u64 {
    let mut shapes: Vec<String> = Vec::new();
    let mut depth = 0_usize;
    let mut shape = String::new();
    for token in definitions {
        let piece = match token {
            Token::Word(word) if is_keyword(word) => word.to_ascii_uppercase(),
            Token::Word(_) => "i".to_owned(),
            Token::Parameter(_) => "p".to_owned(),
            Token::Number(_) => "n".to_owned(),
            Token::Text(_) => "t".to_owned(),
            Token::Symbol(symbol) => symbol.clone(),
        };
        match piece.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                shapes.push(std::mem::take(&mut shape));
                continue;
            }
            _ => {}
        }
        // However many values a list allows.
        if piece == "t" && shape.ends_with(" t ,") {
            shape.truncate(shape.len() - " ,".len());
            continue;
        }
        shape.push(' ');
        shape.push_str(&piece);
    }
    shapes.push(shape);
    shapes.sort_unstable();
    let mut hasher = DefaultHasher::new();
    shapes.hash(&mut hasher);
    hasher.finish()
}

fn without_comments(sql: &str) -> String {
    let mut plain = String::with_capacity(sql.len());
    let mut quoted = false;
    let mut rest = sql;
    while let Some(next) = rest.chars().next() {
        if !quoted && rest.starts_with("--") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        if !quoted && rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
            continue;
        }
        quoted ^= next == '\'';
        plain.push(next);
        rest = &rest[next.len_utf8()..];
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_literals_make_no_difference() {
        let shape = |sql| statement_shape("run", sql);
        assert_eq!(
            shape("SELECT a FROM t WHERE a = :x AND b = 'y'"),
            shape("select c from u where c = :z and d = 'w'")
        );
        assert_ne!(shape("SELECT a FROM t WHERE a = :x"), shape("SELECT a FROM t WHERE b = :x"));
        assert_ne!(shape("SELECT lower(a) FROM t"), shape("SELECT upper(a) FROM t"));
        assert_ne!(shape("SELECT a FROM t"), statement_shape("let", "SELECT a FROM t"));
        let shapes = |schema: &str| created(schema).iter().map(|table| table_shape(table)).collect::<Vec<_>>();
        let one = "CREATE TABLE a (id INTEGER PRIMARY KEY, -- a comment, with a comma\n kind TEXT NOT NULL CHECK (kind IN ('x', 'y')), b INTEGER REFERENCES b(id)) STRICT;";
        let same = "CREATE TABLE c (e INTEGER REFERENCES f(g), key INTEGER PRIMARY KEY, h TEXT NOT NULL CHECK (h IN ('p', 'q', 'r'))) STRICT;";
        let other = "CREATE TABLE c (e INTEGER REFERENCES f(g), key INTEGER PRIMARY KEY, h TEXT CHECK (h IN ('p', 'q', 'r'))) STRICT;";
        assert_eq!(shapes(one).len(), 1);
        assert_eq!(shapes(one), shapes(&same.replace("key", "idd")));
        assert_ne!(shapes(one), shapes(&other.replace("key", "idd")));
    }

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }
}
