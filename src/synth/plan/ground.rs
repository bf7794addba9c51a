//! What words say and what calls show: whether a text tells a row from others, and whether everything said can be known.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::wording::Formats;
use super::execute::Run;
use super::query::Row;
use super::text::{self, plain};
use crate::engine::answer::{facts, normal};
use crate::engine::solution::observed;

/// Whether the slots' texts tell a row from all others.
pub(super) fn unique(slots: &BTreeSet<text::Slot>, row: &Row, among: &[Row], formats: &Formats) -> Result<(), String> {
    let texts = slots.iter().map(|slot| text::slot_text(slot, row, formats).map(|text| (slot, text)));
    let own = texts.collect::<Result<Vec<_>, String>>()?;
    let alike = |other: &&Row| {
        own.iter().all(|(slot, own)| text::slot_text(slot, other, formats).is_ok_and(|text| text == *own))
    };
    if among.iter().filter(alike).any(|other| other != row) {
        let names: Vec<&str> = slots.iter().map(|slot| slot.column.as_str()).collect();
        return Err(format!("the slots {} don't tell the row from others of among", names.join(", ")));
    }
    Ok(())
}

/// Whether the agent can see what each slot says: in an observation, or as an argument that it passes on.
pub(super) fn grounded(
    run: &Run,
    before: usize,
    slots: &BTreeSet<text::Slot>,
    row: &Row,
    given: &BTreeSet<String>,
) -> Result<(), String> {
    for slot in slots.iter().filter(|slot| !given.contains(&slot.column)) {
        let Some(value) = row.get(slot.column.as_str()) else { continue };
        let passed =
            run.calls[before..].iter().any(|call| call.arguments.values().any(|argument| holds(argument, value)));
        if !passed && !shown(run, 0, value) {
            return Err(format!(
                "{{{}}} is no argument and shows in no observation of the plan, so nobody could tell what it means; add the read that shows it, or `given: [{}]` if it is what the person decides",
                slot.column, slot.column
            ));
        }
    }
    Ok(())
}

/// Whether an observation shows a value.
pub(super) fn shown(run: &Run, from: usize, value: &Value) -> bool {
    let seen = observed(&run.calls[from..]);
    let wanted = normal(&plain(value));
    let number = value.as_f64();
    let day = value
        .as_str()
        .filter(|text| text.len() >= 10)
        .is_some_and(|text| text.as_bytes()[4] == b'-' && facts(text).dates.len() == 1);
    seen.iter().any(|(_, seen)| {
        let same_number = number.is_some() && number == seen.as_f64();
        let day_of =
            day && seen.as_str().is_some_and(|text| value.as_str().is_some_and(|day| text.starts_with(&day[..10])));
        same_number
            || day_of
            || holds(seen, value)
            || (!wanted.is_empty() && number.is_none() && normal(&plain(seen)).contains(&wanted))
    })
}

/// Whether an argument is or holds a value; an amount in cents may have been said in whole units.
fn holds(argument: &Value, value: &Value) -> bool {
    match argument {
        Value::Array(elements) => elements.iter().any(|element| holds(element, value)),
        Value::Object(members) => members.values().any(|member| holds(member, value)),
        scalar => {
            let same_number =
                scalar.as_f64().zip(value.as_f64()).is_some_and(|(left, right)| (left - right).abs() < 1e-9);
            let text = plain(value);
            scalar == value
                || same_number
                || (text.len() > 1 && plain(scalar).contains(&text))
                || (plain(scalar).len() > 2 && text.contains(&plain(scalar)))
        }
    }
}
