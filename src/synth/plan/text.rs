//! Texts with slots: `{column}` and `{column:format}`.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::super::wording::{self, Formats};
use super::query::Row;

static SLOT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{(\w+)(?::(\w+))?\}").unwrap_or_else(|err| unreachable!("a pattern of ours doesn't compile: {err}"))
});

/// A slot of a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub column: String,
    pub format: String,
}

/// The slots of a text.
pub(super) fn slots(text: &str) -> Vec<Slot> {
    SLOT.captures_iter(text)
        .map(|capture| Slot {
            column: capture[1].to_owned(),
            format: capture.get(2).map_or(String::new(), |format| format.as_str().to_owned()),
        })
        .collect()
}

/// A slot's text for a row.
pub(super) fn slot_text(slot: &Slot, row: &Row, formats: &Formats) -> Result<String, String> {
    let value =
        row.get(slot.column.as_str()).ok_or_else(|| format!("the slot {{{}}} is no column of among", slot.column))?;
    if value.is_null() {
        return Err(format!(
            "the slot {{{}}} is empty for a row that is chosen; leave such rows out of the case",
            slot.column
        ));
    }
    wording::format_slot(value, &slot.format, formats)
}

/// The text with its slots filled.
pub(super) fn fill(text: &str, row: &Row, formats: &Formats) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for capture in SLOT.captures_iter(text) {
        let Some(whole) = capture.get(0) else { continue };
        out.push_str(&text[end..whole.start()]);
        let format = capture.get(2).map_or(String::new(), |format| format.as_str().to_owned());
        out.push_str(&slot_text(&Slot { column: capture[1].to_owned(), format }, row, formats)?);
        end = whole.end();
    }
    out.push_str(&text[end..]);
    Ok(numbered(&out))
}

/// `2 night(s)` as `2 nights`, `1 night(s)` as `1 night`.
fn numbered(text: &str) -> String {
    static COUNTED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b(\d+) ([\w-]+)\(s\)")
            .unwrap_or_else(|err| unreachable!("a pattern of ours doesn't compile: {err}"))
    });
    let noun =
        |found: &regex::Captures<'_>| format!("{} {}{}", &found[1], &found[2], if &found[1] == "1" { "" } else { "s" });
    COUNTED.replace_all(text, noun).into_owned()
}

/// A JSON value as a person would write it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
