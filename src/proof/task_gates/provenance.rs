//! Every argument of the solution can be known to the agent: from the instruction, the house rules, a schema, or what an
//! earlier call showed.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{Gates, is_id};
use crate::clock;
use crate::engine::answer::{Facts, facts, normal};
use crate::engine::arguments::Input;
use crate::engine::solution::observed;
use crate::engine::task::Source;
use crate::episode;
use crate::package::diagnostic::{Code, Diagnostic};

/// Inputs that page, sort or shape a result: an agent may set them as it likes.
const FREE_INPUTS: &[&str] = &[
    "limit",
    "offset",
    "page",
    "page_size",
    "per_page",
    "cursor",
    "sort",
    "sort_by",
    "sort_order",
    "order",
    "order_by",
    "direction",
    "descending",
    "ascending",
];

/// Numbers that conversions need: nothing, one, and a hundred cents or per cent.
const CONVERSIONS: &[f64] = &[0.0, 1.0, 100.0];

/// What an agent knows before a call.
struct Known {
    /// The instruction and everything it is told beside it, in normal form with spaces around.
    words: String,
    facts: Facts,
    /// Members of earlier results with their names.
    observed: Vec<(String, Value)>,
    /// Texts of earlier results, in normal form with spaces around.
    observed_words: String,
    observed_facts: Facts,
}

pub(super) fn check(gates: &Gates<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (index, call) in gates.task.solution().iter().enumerate() {
        let known = Known::before(gates, index);
        let Some(tool) = gates.environment.tools().get(&call.tool) else { continue };
        for (name, source) in &call.arguments {
            let value = gates.played.calls[index].arguments.get(name).unwrap_or(&Value::Null);
            let Some(input) = tool.inputs().all().iter().find(|input| &input.name == name) else { continue };
            let unknown = match source {
                Source::Free(_) => free_problem(gates),
                Source::Derived(sql) => known.derived_problem(sql),
                Source::Literal(_) | Source::From { .. } => known.problem(input, value),
            };
            if let Some(problem) = unknown {
                let message =
                    format!("{}: call {index} ({}): {name} = {value}: {problem}", gates.task.name(), call.tool);
                findings.push(Diagnostic::new(
                    Code::ArgumentUnknowable,
                    crate::package::TASKS_FILE,
                    call.line,
                    message,
                ));
            }
        }
    }
    findings
}

/// Text of the agent's own only makes sense where the verdict doesn't compare it.
fn free_problem(gates: &Gates<'_>) -> Option<String> {
    gates.task.free().is_empty().then(|| "is worded by the agent, but verify.free names no column".to_owned())
}

impl Known {
    fn before(gates: &Gates<'_>, index: usize) -> Self {
        let environment = gates.environment;
        let actor = environment.actor(&gates.conditions.actor).map_or("", |actor| actor.name.as_str());
        let today = clock::format(gates.conditions.clock_ms);
        let told = format!("{}\n{}\n{today}", gates.task.asked(), episode::context(environment, actor));
        let observed = observed(&gates.played.calls[..index]);
        let texts: Vec<&str> = observed.iter().filter_map(|(_, value)| value.as_str()).collect();
        let texts = texts.join("\n");
        Self {
            words: format!(" {} ", normal(&told)),
            facts: facts(&told),
            observed_words: format!(" {} ", normal(&texts)),
            observed_facts: facts(&texts),
            observed,
        }
    }

    /// Why an agent couldn't know the value of an input, if it couldn't.
    fn problem(&self, input: &Input, value: &Value) -> Option<String> {
        let schema = &input.schema;
        let listed = |schema: &Value| {
            schema.get("enum").and_then(Value::as_array).is_some_and(|members| members.contains(value))
        };
        if FREE_INPUTS.contains(&input.name.as_str()) || listed(schema) || schema.get("default") == Some(value) {
            return None;
        }
        match value {
            Value::Array(elements) => {
                elements.iter().find_map(|element| self.element_problem(&input.name, schema, element))
            }
            scalar => self.scalar_problem(&input.name, scalar),
        }
    }

    fn element_problem(&self, name: &str, schema: &Value, element: &Value) -> Option<String> {
        let listed = schema.pointer("/items/enum").and_then(Value::as_array);
        if listed.is_some_and(|members| members.contains(element)) {
            return None;
        }
        match element {
            Value::Object(members) => members.iter().find_map(|(name, member)| {
                let listed = schema.pointer(&format!("/items/properties/{name}/enum")).and_then(Value::as_array);
                let listed = listed.is_some_and(|values| values.contains(member));
                if listed { None } else { self.scalar_problem(name, member) }
            }),
            scalar => self.scalar_problem(name, scalar),
        }
    }

    fn scalar_problem(&self, name: &str, value: &Value) -> Option<String> {
        match value {
            Value::Bool(_) | Value::Null => None,
            id if is_id(name) => {
                let shown = self.observed.iter().any(|(found, seen)| is_id(found) && seen == id);
                (!shown).then(|| "no earlier result shows this id in an id column".to_owned())
            }
            Value::Number(number) => self.number_problem(number.as_f64()?),
            Value::String(text) => self.text_problem(text),
            Value::Array(_) | Value::Object(_) => Some("can't be traced".to_owned()),
        }
    }

    fn number_problem(&self, number: f64) -> Option<String> {
        let same = |known: &f64| (known - number).abs() < 1e-6;
        // An amount said in whole units and passed in cents.
        let in_cents = |known: &f64| (known * 100.0 - number).abs() < 1e-6;
        let told = self.facts.numbers.iter().chain(&self.facts.worded).any(|known| same(known) || in_cents(known));
        let seen = self.observed.iter().filter_map(|(_, value)| value.as_f64()).any(|seen| same(&seen));
        let read = self.observed_facts.numbers.iter().any(same);
        (!(told || seen || read)).then(|| "neither the instruction nor an earlier result has this number".to_owned())
    }

    fn text_problem(&self, text: &str) -> Option<String> {
        let stated = facts(text);
        if !stated.dates.is_empty() && is_date(text) {
            let known = || self.facts.dates.iter().chain(&self.observed_facts.dates);
            let unknown = !stated.dates.iter().all(|day| known().any(|known| known.matches(*day)));
            return unknown.then(|| "neither the instruction nor an earlier result has this date".to_owned());
        }
        let phrase = format!(" {} ", normal(text));
        let known = self.words.contains(&phrase) || self.observed_words.contains(&phrase);
        let number = text.parse().ok().is_some_and(|number| self.number_problem(number).is_none());
        (!(known || number)).then(|| "neither the instruction nor an earlier result has this text".to_owned())
    }

    /// Derived SQL may use earlier observations and literals of the instruction; numbers that convert units are free.
    fn derived_problem(&self, sql: &str) -> Option<String> {
        let (texts, rest) = split_literals(sql);
        let told = |number: &f64| CONVERSIONS.contains(number) || self.number_problem(*number).is_none();
        let numbers = facts(&OBSERVATION.replace_all(&rest, " ")).numbers;
        if let Some(number) = numbers.iter().find(|number| !told(&number.abs())) {
            return Some(format!("the number {number} in its SQL is not in the instruction"));
        }
        for text in texts {
            let is_path = text.starts_with('$');
            let is_format = text.contains('%');
            let is_modifier =
                text.starts_with(['+', '-']) || text.starts_with("start of") || text.starts_with("weekday");
            let counted = facts(&text.replace(['+', '-'], " ")).numbers;
            if is_modifier && counted.iter().all(told) || is_path || is_format {
                continue;
            }
            if !text.trim().is_empty() && self.text_problem(&text).is_some() {
                return Some(format!("the text {text:?} in its SQL is not in the instruction"));
            }
        }
        None
    }
}

static OBSERVATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r":obs\d+").unwrap_or_else(|err| unreachable!("a pattern of ours doesn't compile: {err}"))
});

/// True for a text that is a day or a time and nothing else.
fn is_date(text: &str) -> bool {
    text.get(..10).is_some_and(|date| date.parse::<jiff::civil::Date>().is_ok())
}

/// The quoted texts of an SQL expression, and the rest of it.
fn split_literals(sql: &str) -> (BTreeSet<String>, String) {
    let mut texts = BTreeSet::new();
    let mut rest = String::new();
    for (position, part) in sql.split('\'').enumerate() {
        if position % 2 == 1 {
            texts.insert(part.to_owned());
        } else {
            rest.push_str(part);
            rest.push(' ');
        }
    }
    (texts, rest)
}
