//! Cutting a file of SQL into statements, so that each finding has a line and one bad statement doesn't hide the next.

/// One statement of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScriptStatement<'a> {
    /// Its text, from the first word on.
    pub(super) sql: &'a str,
    /// Line of the first word, from 1.
    pub(super) line: usize,
    /// The first word as written.
    pub(super) verb: &'a str,
}

/// Cuts at semicolons outside of strings, names and comments; a trigger ends at `END;` only, as `sqlite3_complete` has it.
/// Empty statements are left out.
pub(super) fn statements(script: &str) -> Vec<ScriptStatement<'_>> {
    let mut found = Vec::new();
    let mut start: Option<usize> = None;
    let mut words: Vec<&str> = Vec::new();
    let mut in_trigger = false;
    // Whether the last two tokens were `; END`.
    let (mut after_semicolon, mut after_end) = (false, false);
    let mut line = 1;
    let mut counted = 0;
    for (at, token) in tokens(script) {
        if token == ";" && (!in_trigger || after_end) {
            if let Some(start) = start.take() {
                line += newlines(&script[counted..start]);
                counted = start;
                found.push(statement(&script[start..at], line, &words));
            }
            words.clear();
            (in_trigger, after_semicolon, after_end) = (false, false, false);
            continue;
        }
        start.get_or_insert(at);
        after_end = after_semicolon && token.eq_ignore_ascii_case("end");
        after_semicolon = token == ";";
        if words.len() < 3 {
            words.push(token);
            in_trigger = is_create_trigger(&words);
        }
    }
    if let Some(start) = start {
        line += newlines(&script[counted..start]);
        found.push(statement(&script[start..], line, &words));
    }
    found
}

fn statement<'a>(sql: &'a str, line: usize, words: &[&'a str]) -> ScriptStatement<'a> {
    ScriptStatement { sql, line, verb: words.first().copied().unwrap_or_default() }
}

fn is_create_trigger(words: &[&str]) -> bool {
    let is = |at: usize, word: &str| words.get(at).is_some_and(|found| found.eq_ignore_ascii_case(word));
    let temporary = is(1, "temp") || is(1, "temporary");
    is(0, "create") && (is(1, "trigger") || temporary && is(2, "trigger"))
}

/// Number of line ends in a text.
pub(super) fn newlines(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

/// Words, quoted things and single characters, each with its offset; without comments and white space.
pub(super) fn tokens(script: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &script[at..];
            let first = rest.chars().next()?;
            let length = token_length(rest, first);
            let token = &rest[..length];
            let start = at;
            at += length;
            let comment = token.starts_with("--") || token.starts_with("/*");
            if !comment && !first.is_whitespace() {
                return Some((start, token));
            }
        }
    })
}

fn token_length(rest: &str, first: char) -> usize {
    let until = |end: &str, from: usize| {
        rest.get(from..).and_then(|tail| tail.find(end)).map_or(rest.len(), |found| from + found + end.len())
    };
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    match first {
        // A doubled quote inside reads as two strings side by side, which cuts the same.
        '\'' | '"' | '`' => until(&first.to_string(), 1),
        '[' => until("]", 1),
        '-' if rest.starts_with("--") => until("\n", 2),
        '/' if rest.starts_with("/*") => until("*/", 2),
        _ if is_word(first) => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
        _ => first.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_where_sqlite_does() {
        let script = "-- a; comment\nINSERT INTO a VALUES('it''s; x'); /* ; */ ;\n\
                      CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT CASE WHEN 1 THEN 2 END; DELETE FROM b;\nEND;\n\
                      create table [a;b](\"c;d\")";
        let found: Vec<_> =
            statements(script).iter().map(|statement| (statement.line, statement.verb, statement.sql.len())).collect();
        assert_eq!(found, [(2, "INSERT", 32), (3, "CREATE", 92), (6, "create", 25)]);
    }
}
