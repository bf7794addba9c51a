//! What the text of a tool's SQL tells about its inputs: which columns and literals they are compared with or written to.
//!
//! This reads tokens, not grammar. A wrong guess costs a few useless calls, a missed one is made up for by names and chance.

use std::collections::BTreeSet;

/// A piece of SQL.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::proof) enum Token {
    /// A keyword, or an identifier without its quotes.
    Word(String),
    /// `:name`, without the colon.
    Parameter(String),
    /// A number as written.
    Number(String),
    /// A text literal, unquoted.
    Text(String),
    /// An operator or a bracket.
    Symbol(String),
}

/// What an input is compared with or written to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operand {
    /// A column, with the table's name or alias where it is qualified.
    Column(Option<String>, String),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

/// What one statement says.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The tables it names, each with its alias (which is its name where it has none), in order.
    pub tables: Vec<(String, String)>,
    /// A parameter and what it meets.
    pub meetings: Vec<(String, Operand)>,
    /// Result columns computed from parameters alone, and those parameters.
    pub aliases: Vec<(String, Vec<String>)>,
    /// All literals.
    pub literals: BTreeSet<Operand>,
}

const OPERATORS: &[&str] = &["=", "==", "<", ">", "<=", ">=", "<>", "!="];
const WORD_OPERATORS: &[&str] = &["LIKE", "IS", "IN", "MATCH", "GLOB", "BETWEEN", "AND", "NOT"];
const TABLE_KEYWORDS: &[&str] = &["FROM", "JOIN", "INTO", "UPDATE"];
const KEYWORDS: &[&str] = &[
    "SELECT", "FROM", "WHERE", "JOIN", "LEFT", "INNER", "CROSS", "ON", "GROUP", "ORDER", "BY", "HAVING", "LIMIT",
    "SET", "VALUES", "AND", "OR", "NOT", "IS", "NULL", "IN", "EXISTS", "UNION", "CASE", "WHEN", "THEN", "ELSE", "END",
    "AS", "DISTINCT", "OFFSET", "USING", "BETWEEN", "LIKE", "DO", "CONFLICT",
];

/// Splits SQL into tokens. Comments don't occur in programs' SQL often enough to matter.
pub(in crate::proof) fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if first.is_whitespace() => first.len_utf8(),
            '\'' | '"' | '`' => quoted_length(rest, first),
            ':' => 1 + span(&rest[1..], is_name),
            _ if first.is_ascii_digit() => span(rest, |next| next.is_ascii_digit() || next == '.'),
            _ if is_name(first) => span(rest, is_name),
            '<' | '>' | '=' | '!' | '|' => span(rest, |next| "<>=!|".contains(next)),
            _ => first.len_utf8(),
        };
        let piece = &rest[..length];
        rest = &rest[length..];
        let inner = || piece.get(1..piece.len().saturating_sub(1)).unwrap_or_default().replace("''", "'");
        match first {
            _ if first.is_whitespace() => {}
            '\'' => tokens.push(Token::Text(inner())),
            '"' | '`' => tokens.push(Token::Word(inner())),
            ':' => tokens.push(Token::Parameter(piece[1..].to_owned())),
            _ if first.is_ascii_digit() => tokens.push(Token::Number(piece.to_owned())),
            _ if is_name(first) => tokens.push(Token::Word(piece.to_owned())),
            _ => tokens.push(Token::Symbol(piece.to_owned())),
        }
    }
    tokens
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn span(text: &str, accepts: impl Fn(char) -> bool) -> usize {
    text.find(|next| !accepts(next)).unwrap_or(text.len())
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// Reads a statement.
pub(super) fn read(sql: &str) -> Reading {
    let tokens = tokens(sql);
    let mut reading = Reading::default();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Word(word) if is_one_of(word, TABLE_KEYWORDS) => table(&tokens[index + 1..], &mut reading.tables),
            Token::Parameter(name) => {
                reading.meetings.extend(left(&tokens[..index]).map(|operand| (name.clone(), operand)));
                reading.meetings.extend(right(&tokens[index + 1..]).map(|operand| (name.clone(), operand)));
            }
            Token::Number(_) | Token::Text(_) => reading.literals.extend(operand_before(&tokens[..=index])),
            _ => {}
        }
    }
    inserted(&tokens, &mut reading.meetings);
    aliases(&tokens, &mut reading.aliases);
    reading
}

fn is_one_of(word: &str, list: &[&str]) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn table(after: &[Token], tables: &mut Vec<(String, String)>) {
    let Some(Token::Word(name)) = after.first() else { return };
    if is_one_of(name, KEYWORDS) {
        return;
    }
    let alias = match (after.get(1), after.get(2)) {
        (Some(Token::Word(keyword)), Some(Token::Word(alias))) if keyword.eq_ignore_ascii_case("AS") => alias,
        (Some(Token::Word(alias)), _) if !is_one_of(alias, KEYWORDS) => alias,
        _ => name,
    };
    tables.push((alias.clone(), name.clone()));
}

/// The operand of an operator to the left of a parameter, which may stand inside function calls: `c.code = upper(trim(:code`.
fn left(before: &[Token]) -> Option<Operand> {
    let mut end = before.len();
    loop {
        match before[..end].last()? {
            Token::Symbol(symbol) if symbol == "(" => end -= 1,
            Token::Word(word)
                if end < before.len() && !is_one_of(word, KEYWORDS) && before[end] == Token::Symbol("(".to_owned()) =>
            {
                end -= 1;
            }
            Token::Symbol(symbol) if OPERATORS.contains(&symbol.as_str()) => return operand_before(&before[..end - 1]),
            Token::Word(word) if is_one_of(word, WORD_OPERATORS) => {
                // `x BETWEEN 1 AND :y` and `x NOT IN (:y` have more between.
                return operand_before(&before[..end - 1]).or_else(|| left(&before[..end - 1]));
            }
            _ => return None,
        }
    }
}

/// The operand right of a parameter: `:amount <= a.balance_cents`, also after brackets.
fn right(after: &[Token]) -> Option<Operand> {
    let mut start = 0;
    while after.get(start) == Some(&Token::Symbol(")".to_owned())) {
        start += 1;
    }
    match after.get(start)? {
        Token::Symbol(symbol) if OPERATORS.contains(&symbol.as_str()) => {}
        Token::Word(word) if is_one_of(word, WORD_OPERATORS) => {}
        _ => return None,
    }
    start += 1;
    // Skip the names and brackets of function calls.
    while after.get(start) == Some(&Token::Symbol("(".to_owned()))
        || (matches!(after.get(start), Some(Token::Word(_)))
            && after.get(start + 1) == Some(&Token::Symbol("(".to_owned())))
    {
        start += 1;
    }
    let qualified = after.get(start + 1) == Some(&Token::Symbol(".".to_owned()));
    let length = if qualified { 3 } else { 1 };
    operand_before(after.get(start..start + length)?)
}

/// The column or literal at the end of these tokens.
fn operand_before(tokens: &[Token]) -> Option<Operand> {
    match tokens.last()? {
        Token::Word(column) if is_one_of(column, KEYWORDS) => None,
        Token::Word(column) => {
            let owner = match tokens {
                [.., Token::Word(owner), Token::Symbol(dot), _] if dot == "." => Some(owner.clone()),
                _ => None,
            };
            Some(Operand::Column(owner, column.clone()))
        }
        Token::Number(number) => number.parse().ok().map(Operand::Number),
        Token::Text(text) => Some(Operand::Text(text.clone())),
        Token::Parameter(_) | Token::Symbol(_) => None,
    }
}

/// Parameters of an `INSERT INTO t (a, b) VALUES (:x, ...)` or `... SELECT :x, ...` meet the columns they are written to.
fn inserted(tokens: &[Token], meetings: &mut Vec<(String, Operand)>) {
    let Some(into) =
        tokens.iter().position(|token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("INTO")))
    else {
        return;
    };
    let Some(Token::Word(table)) = tokens.get(into + 1) else { return };
    if tokens.get(into + 2) != Some(&Token::Symbol("(".to_owned())) {
        return;
    }
    let columns = items(&tokens[into + 3..]);
    let behind = &tokens[into + 3 + columns.iter().map(|item| item.len() + 1).sum::<usize>()..];
    let values = match behind {
        [Token::Word(word), Token::Symbol(bracket), values @ ..]
            if word.eq_ignore_ascii_case("VALUES") && bracket == "(" =>
        {
            items(values)
        }
        [Token::Word(word), values @ ..] if word.eq_ignore_ascii_case("SELECT") => items(values),
        _ => return,
    };
    for (column, value) in columns.iter().zip(&values) {
        if let [Token::Word(column)] = column {
            for name in own_parameters(value).unwrap_or_default() {
                meetings.push((name, Operand::Column(Some(table.clone()), column.clone())));
            }
        }
    }
}

/// The items of a list, split at its commas, up to its end.
fn items(tokens: &[Token]) -> Vec<&[Token]> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Symbol(symbol) if symbol == "(" => depth += 1,
            Token::Symbol(symbol) if symbol == ")" && depth > 0 => depth -= 1,
            Token::Symbol(symbol) if symbol == "," && depth == 0 => {
                items.push(&tokens[start..index]);
                start = index + 1;
            }
            Token::Symbol(symbol) if symbol == ")" => {
                items.push(&tokens[start..index]);
                return items;
            }
            Token::Word(word) if depth == 0 && word.eq_ignore_ascii_case("FROM") => {
                items.push(&tokens[start..index]);
                return items;
            }
            _ => {}
        }
    }
    items.push(&tokens[start..]);
    items
}

/// The parameters of an expression without a query of its own.
fn own_parameters(expression: &[Token]) -> Option<Vec<String>> {
    let is_select = |token: &Token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("SELECT"));
    if expression.iter().any(is_select) {
        return None;
    }
    let names = expression.iter().filter_map(|token| match token {
        Token::Parameter(name) => Some(name.clone()),
        _ => None,
    });
    Some(names.collect())
}

/// `SELECT coalesce(:customer_id, :actor) AS holder_id`: what meets `holder_id` meets `customer_id`.
fn aliases(tokens: &[Token], aliases: &mut Vec<(String, Vec<String>)>) {
    let [Token::Word(select), list @ ..] = tokens else { return };
    if !select.eq_ignore_ascii_case("SELECT") {
        return;
    }
    for item in items(list) {
        if let [expression @ .., Token::Word(keyword), Token::Word(name)] = item
            && keyword.eq_ignore_ascii_case("AS")
            && let Some(parameters) = own_parameters(expression)
            && !parameters.is_empty()
        {
            aliases.push((name.clone(), parameters));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meetings(sql: &str) -> Vec<(String, Operand)> {
        read(sql).meetings
    }

    fn column(owner: Option<&str>, name: &str) -> Operand {
        Operand::Column(owner.map(str::to_owned), name.to_owned())
    }

    #[test]
    fn parameters_meet_columns_and_literals() {
        let found = meetings(
            "SELECT 1 FROM coupons k WHERE k.code = upper(trim(:code)) AND :amount <= k.limit_cents AND 5 < :amount",
        );
        let expected = [
            ("code", column(Some("k"), "code")),
            ("amount", column(Some("k"), "limit_cents")),
            ("amount", Operand::Number(5)),
        ];
        let expected: Vec<_> = expected.into_iter().map(|(name, operand)| (name.to_owned(), operand)).collect();
        for meeting in expected {
            assert!(found.contains(&meeting), "{meeting:?} in {found:?}");
        }
        let found = meetings("INSERT INTO notes (body, person_id) VALUES (:text, :actor)");
        assert_eq!(found[0], ("text".to_owned(), column(Some("notes"), "body")));
    }

    #[test]
    fn tables_and_aliases_are_found() {
        let reading =
            read("SELECT coalesce(:customer_id, :actor) AS holder_id FROM people p JOIN cards AS c ON c.id = p.id");
        assert_eq!(reading.aliases, [("holder_id".to_owned(), vec!["customer_id".to_owned(), "actor".to_owned()])]);
        let tables: Vec<(&str, &str)> =
            reading.tables.iter().map(|(alias, name)| (alias.as_str(), name.as_str())).collect();
        assert_eq!(tables, [("p", "people"), ("c", "cards")]);
    }
}
