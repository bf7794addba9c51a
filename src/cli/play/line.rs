//! Reading a line typed by hand: words, quotes, and arguments typed by a tool's input schema.

use serde_json::{Map, Value};

/// Splits a line into words. Quotes keep spaces together (`name="Oak desk"`), a backslash takes the next letter as it is.
/// Brackets keep what is in them together, quotes included, so that JSON can be typed without more quoting.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let at_value = word.as_ref().is_none_or(|word| word.ends_with('='));
        match letter {
            ' ' | '\t' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(letters.next()),
            '"' | '\'' => quoted(letter, &mut letters, word.get_or_insert_default())?,
            '{' | '[' if at_value => json(letter, &mut letters, word.get_or_insert_default())?,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(quote: char, letters: &mut impl Iterator<Item = char>, word: &mut String) -> Result<(), String> {
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quote == '"' => word.extend(letters.next()),
            end if end == quote => return Ok(()),
            other => word.push(other),
        }
    }
    Err(format!("a {quote} is not closed"))
}

/// Copies a JSON array or object as it is.
fn json(open: char, letters: &mut impl Iterator<Item = char>, word: &mut String) -> Result<(), String> {
    let mut depth = 1;
    let mut in_text = false;
    word.push(open);
    while let Some(letter) = letters.next() {
        word.push(letter);
        match letter {
            '\\' if in_text => word.extend(letters.next()),
            '"' => in_text = !in_text,
            '[' | '{' if !in_text => depth += 1,
            ']' | '}' if !in_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(());
        }
    }
    Err(format!("a {open} is not closed"))
}

/// The arguments in the words after a tool's name: one JSON object, or `name=value` words.
pub(super) fn arguments(schema: &Map<String, Value>, words: &[String]) -> Result<Map<String, Value>, String> {
    if let [word] = words
        && word.starts_with('{')
    {
        return match serde_json::from_str(word) {
            Ok(Value::Object(arguments)) => Ok(arguments),
            Ok(_) => Err("the arguments are not a JSON object".to_owned()),
            Err(err) => Err(format!("the arguments are not JSON: {err}")),
        };
    }
    let mut arguments = Map::new();
    for word in words {
        let Some((name, text)) = word.split_once('=') else {
            return Err(format!("{word:?} is no argument: write name=value, or all of them as one JSON object"));
        };
        let property = schema.get("properties").and_then(|properties| properties.get(name));
        arguments.insert(name.to_owned(), value(property, text));
    }
    Ok(arguments)
}

/// The value that a text stands for by a schema. One that doesn't fit stays text: the tool then says what it wants.
fn value(schema: Option<&Value>, text: &str) -> Value {
    let kind = schema.and_then(|schema| schema.get("type")).and_then(Value::as_str);
    let as_text = || Value::from(text);
    let read = || serde_json::from_str::<Value>(text).ok();
    match kind {
        Some("string") => as_text(),
        Some("integer" | "number") => read().filter(Value::is_number).unwrap_or_else(as_text),
        Some("boolean") => match text {
            "true" | "yes" => Value::Bool(true),
            "false" | "no" => Value::Bool(false),
            _ => as_text(),
        },
        Some("array") if !text.starts_with('[') => {
            let items = schema.and_then(|schema| schema.get("items"));
            let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
            elements.map(|element| value(items, element)).collect()
        }
        _ => read().unwrap_or_else(as_text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_keep_quotes_and_json_together() {
        let line = r#"add name="Oak \"desk\"" it's\ o lines=[{"sku": "a b]"}, 2]  note='x y'"#;
        assert!(words(line).is_err(), "the apostrophe opens a quote");
        let line = line.replace("it's\\ o", "x\\ y");
        let expected = ["add", "name=Oak \"desk\"", "x y", r#"lines=[{"sku": "a b]"}, 2]"#, "note=x y"];
        assert_eq!(words(&line).unwrap(), expected);
        assert!(words("a={1").is_err());
    }

    #[test]
    fn arguments_are_typed_by_the_schema() {
        let schema = json!({"properties": {
            "id": {"type": "integer"}, "price": {"type": "number"}, "gift": {"type": "boolean"}, "zip": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}}, "ids": {"type": "array", "items": {"type": "integer"}},
        }});
        let read = |line: &str| Value::Object(arguments(schema.as_object().unwrap(), &words(line).unwrap()).unwrap());
        assert_eq!(
            read("id=7 price=1.5 gift=yes zip=0123"),
            json!({"id": 7, "price": 1.5, "gift": true, "zip": "0123"})
        );
        assert_eq!(read("tags=a,b ids=1,2"), json!({"tags": ["a", "b"], "ids": [1, 2]}));
        assert_eq!(read(r#"tags=["a,b"] other=x"#), json!({"tags": ["a,b"], "other": "x"}));
        assert_eq!(read(r#"{"id": 1}"#), json!({"id": 1}));
        assert_eq!(read("id=seven"), json!({"id": "seven"}));
    }
}
