//! Texts with holes: `{{constant}}`, `{{constant|money}}`, `{{#feature}}...{{/feature}}` and `{{^feature}}...{{/feature}}`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What fills the holes: the constants and features of a variant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filling {
    /// Values of constants.
    pub constants: BTreeMap<String, Value>,
    /// Features the variant has.
    pub features: BTreeSet<String>,
    /// Features there are.
    pub known: BTreeSet<String>,
}

impl Filling {
    /// Whether an item with this `if:` is there.
    pub(crate) fn holds(&self, condition: &[String]) -> bool {
        condition.iter().all(|feature| match feature.strip_prefix('!') {
            Some(absent) => !self.features.contains(absent),
            None => self.features.contains(feature),
        })
    }

    /// The text with its holes filled.
    pub(crate) fn fill(&self, text: &str) -> Result<String, String> {
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        let mut out = String::with_capacity(text.len());
        // Sections that are open, with whether what they hold is kept.
        let mut open: Vec<(&str, bool)> = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            let kept = open.iter().all(|(_, kept)| *kept);
            if kept {
                out.push_str(&rest[..start]);
            }
            let after = &rest[start + 2..];
            let end = after.find("}}").ok_or("a hole {{ isn't closed with }}")?;
            let hole = after[..end].trim();
            rest = &after[end + 2..];
            match hole.chars().next() {
                Some('#') => open.push((self.feature(&hole[1..])?, self.features.contains(&hole[1..]))),
                Some('^') => open.push((self.feature(&hole[1..])?, !self.features.contains(&hole[1..]))),
                Some('/') => match open.pop() {
                    Some((feature, _)) if feature == &hole[1..] => {}
                    _ => return Err(format!("{{{{{hole}}}}} closes nothing that is open")),
                },
                _ if kept => out.push_str(&self.constant(hole)?),
                _ => {
                    self.constant(hole)?;
                }
            }
        }
        if let Some((feature, _)) = open.last() {
            return Err(format!("the section {{{{#{feature}}}}} isn't closed"));
        }
        out.push_str(rest);
        Ok(out)
    }

    fn feature<'t>(&self, name: &'t str) -> Result<&'t str, String> {
        if self.known.contains(name) { Ok(name) } else { Err(format!("there is no feature {name}")) }
    }

    fn constant(&self, hole: &str) -> Result<String, String> {
        let (name, format) = hole.split_once('|').map_or((hole, None), |(name, format)| (name, Some(format.trim())));
        let value = self.constants.get(name.trim()).ok_or_else(|| format!("there is no constant {name}"))?;
        match format {
            None => Ok(plain(value)),
            Some("money") => value.as_i64().map(money).ok_or_else(|| format!("{name} is no whole number of cents")),
            Some(other) => Err(format!("there is no format {other} for constants: only money")),
        }
    }
}

/// Cents as people write them.
pub(crate) fn money(cents: i64) -> String {
    format!("${}.{:02}", cents / 100, cents.abs() % 100)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A module's text with its parameters replaced, and sections on a property of one (`{{#subject.owner}}`) kept or dropped.
/// Holes with other names stay for [`Filling::fill`].
pub(crate) fn with_parameters(text: &str, parameters: &BTreeMap<String, String>) -> String {
    let mut out = text.to_owned();
    for property in ["owner", "private", "list"] {
        let names: Vec<&String> = parameters.keys().filter(|name| !name.contains('.')).collect();
        for name in names {
            let section = format!("{name}.{property}");
            let there = parameters.contains_key(&section);
            out = sections(&out, &format!("{{{{#{section}}}}}"), &format!("{{{{/{section}}}}}"), there);
            out = sections(&out, &format!("{{{{^{section}}}}}"), &format!("{{{{/{section}}}}}"), !there);
        }
    }
    for (name, value) in parameters {
        out = out.replace(&format!("{{{{{name}}}}}"), value);
    }
    out
}

/// Sections between two marks, kept without the marks or dropped.
fn sections(text: &str, open: &str, close: &str, kept: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let Some((inside, later)) = after.split_once(close) else { break };
        out.push_str(before);
        if kept {
            out.push_str(inside);
        }
        rest = later;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling() -> Filling {
        Filling {
            constants: BTreeMap::from([("days".to_owned(), Value::from(14)), ("fee".to_owned(), Value::from(1_205))]),
            features: BTreeSet::from(["gifts".to_owned()]),
            known: BTreeSet::from(["gifts".to_owned(), "tips".to_owned()]),
        }
    }

    #[test]
    fn holes_are_filled_and_sections_kept_or_dropped() {
        let fill = |text: &str| filling().fill(text).unwrap();
        assert_eq!(fill("{{days}} days, {{fee|money}}"), "14 days, $12.05");
        assert_eq!(fill("a{{#gifts}}b{{#tips}}c{{/tips}}{{/gifts}}{{^tips}}d{{/tips}}"), "abd");
    }

    #[test]
    fn mistakes_are_named() {
        let fail = |text: &str| filling().fill(text).unwrap_err();
        assert!(fail("{{weeks}}").contains("no constant weeks"));
        assert!(fail("{{#cars}}x{{/cars}}").contains("no feature cars"));
        assert!(fail("{{#gifts}}x").contains("isn't closed"));
        assert!(fail("{{/gifts}}").contains("closes nothing"));
        assert!(fail("{{#tips}}{{weeks}}{{/tips}}").contains("no constant weeks"));
    }
}
