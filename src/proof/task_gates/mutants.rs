//! Nearly the work earns nothing: every argument of every call that changes something, replaced by values that an agent
//! could confuse with the right one.

use jiff::ToSpan;
use serde_json::{Map, Value};

use super::{Call, Gates, LeftOut, is_id};
use crate::engine::catalog::Catalog;
use crate::engine::solution::observed;
use crate::engine::task::Source;
use crate::package::diagnostic::{Code, Diagnostic};

/// Most values tried for one argument.
const VALUES_MAX: usize = 8;

/// Fewer executed mutants than this are reported, unless others were refused.
const EXECUTED_MIN: usize = 3;

/// How mutants of a task fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::proof) struct Tally {
    /// Executed and ended in another state.
    pub executed: usize,
    /// Of those, rewarded all the same.
    pub rewarded: usize,
    /// Refused by a rule or the input schema.
    pub refused: usize,
    /// Executed and ended in the same state.
    pub equivalent: usize,
}

pub(super) fn check(gates: &Gates<'_>) -> (Vec<Diagnostic>, Tally) {
    let mut findings = Vec::new();
    let mut tally = Tally::default();
    let calls = gates.calls();
    for index in gates.committing() {
        let call = &calls[index];
        for (name, value) in &call.arguments {
            let source = gates.task.solution()[index].arguments.iter().find(|(argument, _)| argument == name);
            // Under the same conditions and with as many changes, an argument that makes no difference leaves the same
            // bytes: times and tokens too. Only words of the agent's own may differ freely.
            let left_out =
                LeftOut { volatile: false, free: source.is_some_and(|(_, source)| matches!(source, Source::Free(_))) };
            for (mutant, code) in confusable(gates, index, call, name, value) {
                findings.extend(attempt(gates, index, name, mutant, code, left_out, &mut tally));
            }
        }
    }
    if gates.changes_state() && tally.executed < EXECUTED_MIN && tally.refused == 0 {
        let message = format!(
            "only {} changed arguments could be tried, none was refused and {} made no difference",
            tally.executed, tally.equivalent
        );
        findings.push(gates.finding(Code::MutantsTooFew, message));
    }
    (findings, tally)
}

fn attempt(
    gates: &Gates<'_>,
    index: usize,
    name: &str,
    mutant: Option<Value>,
    code: Code,
    left_out: LeftOut,
    tally: &mut Tally,
) -> Option<Diagnostic> {
    let played = &gates.played.calls[index];
    let mut call = Call { tool: played.tool.clone(), arguments: played.arguments.clone() };
    let shown = mutant.as_ref().map_or_else(|| "left out".to_owned(), Value::to_string);
    match mutant {
        Some(value) => call.arguments.insert(name.to_owned(), value),
        None => call.arguments.remove(name),
    };
    let tool = call.tool.clone();
    let attempt = gates.attempt_from(gates.states[index].clone(), std::slice::from_ref(&call));
    if !matches!(attempt.calls[0], Some((true, _))) {
        tally.refused += 1;
        return None;
    }
    let last = gates.final_after(attempt.state, &gates.calls()[index + 1..]);
    match gates.ends_elsewhere(&last, left_out) {
        false => tally.equivalent += 1,
        true => {
            tally.executed += 1;
            if gates.rewarded(&last, gates.task.answer()) {
                tally.rewarded += 1;
                let message = format!("call {index} ({tool}) with {name} {shown} ends elsewhere and earns the reward");
                return Some(gates.finding(code, message));
            }
        }
    }
    None
}

/// Values that an agent could confuse with `value`; none for leaving the argument out. Each comes with the rule it would
/// break.
fn confusable(gates: &Gates<'_>, index: usize, call: &Call, name: &str, value: &Value) -> Vec<(Option<Value>, Code)> {
    let Some(tool) = gates.environment.tools().get(&call.tool) else { return Vec::new() };
    let Some(input) = tool.inputs().all().iter().find(|input| input.name == name) else { return Vec::new() };
    let mut values: Vec<(Option<Value>, Code)> = Vec::new();
    let mut push = |value: Option<Value>, code| {
        if !values.iter().any(|(known, _)| *known == value) {
            values.push((value, code));
        }
    };
    for other in seen(gates, index, name, value) {
        push(Some(other), Code::MutantRewarded);
    }
    if is_id(name) {
        for other in siblings(gates, name, value) {
            push(Some(other), Code::SiblingRewarded);
        }
    }
    for other in near(value, &input.schema) {
        push(Some(other), Code::MutantRewarded);
    }
    if !input.required {
        push(None, Code::MutantRewarded);
    }
    values.retain(|(other, _)| other.as_ref() != Some(value));
    values.truncate(VALUES_MAX);
    values
}

/// Other values of the same name that the agent saw before the call; for an id, ids of the same thing.
fn seen(gates: &Gates<'_>, index: usize, name: &str, value: &Value) -> Vec<Value> {
    const SEEN_MAX: usize = 4;
    let values = observed(&gates.played.calls[..index]);
    let same_name = values.iter().filter(|(found, _)| found == name || (is_id(name) && found == "id"));
    let mut others: Vec<Value> = Vec::new();
    for (_, other) in same_name {
        let same_kind = std::mem::discriminant(other) == std::mem::discriminant(value);
        if same_kind && other != value && !others.contains(other) {
            others.push(other.clone());
        }
    }
    others.truncate(SEEN_MAX);
    others
}

/// Other entities of the kind that an id names: the nearest rows of its table.
fn siblings(gates: &Gates<'_>, name: &str, value: &Value) -> Vec<Value> {
    const SIBLINGS_MAX: usize = 3;
    let catalog = gates.environment.catalog();
    let Some((table, column)) = named_by(catalog, name) else { return Vec::new() };
    let rows = gates.ground.initial.get(&table).into_iter().flat_map(|rows| rows.values());
    let mut ids: Vec<Value> = rows.map(|row| row[column].to_json()).collect();
    ids.retain(|id| id != value);
    let distance = |id: &Value| match (id.as_i64(), value.as_i64()) {
        (Some(id), Some(value)) => id.abs_diff(value),
        _ => 0,
    };
    ids.sort_by_key(distance);
    ids.truncate(SIBLINGS_MAX);
    ids
}

/// The table and key column that an input such as `order_id` names: `orders.id`.
fn named_by(catalog: &Catalog, input: &str) -> Option<(usize, usize)> {
    let thing = input.strip_suffix("_ids").or_else(|| input.strip_suffix("_id"))?;
    let plurals =
        [format!("{thing}s"), format!("{thing}es"), thing.to_owned(), format!("{}ies", thing.trim_end_matches('y'))];
    let table = plurals.iter().find_map(|plural| catalog.table(plural))?;
    match catalog.tables[table].key.as_slice() {
        [column] => Some((table, *column)),
        _ => None,
    }
}

fn near(value: &Value, schema: &Value) -> Vec<Value> {
    let members = schema.get("enum").and_then(Value::as_array);
    if let Some(members) = members {
        return members.clone();
    }
    match value {
        Value::Bool(flag) => vec![Value::Bool(!flag)],
        Value::Number(number) => near_number(number),
        Value::String(text) => near_text(text),
        Value::Array(elements) => near_list(elements, schema.get("items").unwrap_or(&Value::Null)),
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

fn near_number(number: &serde_json::Number) -> Vec<Value> {
    match number.as_i64() {
        Some(whole) => vec![Value::from(whole - 1), Value::from(whole + 1)],
        None => {
            number.as_f64().into_iter().flat_map(|real| [Value::from(real - 1.0), Value::from(real + 1.0)]).collect()
        }
    }
}

fn near_text(text: &str) -> Vec<Value> {
    // The day before and after, keeping whatever follows the date.
    let day = text.get(..10).and_then(|date| date.parse::<jiff::civil::Date>().ok());
    if let Some(day) = day {
        let rest = &text[10..];
        let days = [day.checked_sub(1.day()), day.checked_add(1.day())];
        return days.into_iter().flatten().map(|day| Value::from(format!("{day}{rest}"))).collect();
    }
    vec![Value::from(format!("{text} (again)"))]
}

fn near_list(elements: &[Value], items: &Value) -> Vec<Value> {
    let mut lists = Vec::new();
    if elements.len() > 1 {
        lists.push(Value::Array(elements[1..].to_vec()));
        lists.push(Value::Array(elements[..elements.len() - 1].to_vec()));
    }
    let Some(first) = elements.first() else { return lists };
    let variants = match first {
        Value::Object(members) => near_object(members, items),
        scalar => near(scalar, items),
    };
    for variant in variants {
        let mut list = elements.to_vec();
        list[0] = variant;
        lists.push(Value::Array(list));
    }
    lists
}

fn near_object(members: &Map<String, Value>, schema: &Value) -> Vec<Value> {
    let mut variants = Vec::new();
    for (name, member) in members {
        let property = schema.pointer(&format!("/properties/{name}")).unwrap_or(&Value::Null);
        for other in near(member, property) {
            let mut variant = members.clone();
            variant.insert(name.clone(), other);
            variants.push(Value::Object(variant));
        }
    }
    variants
}
