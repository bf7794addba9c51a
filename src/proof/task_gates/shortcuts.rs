//! Less than the work earns nothing: doing nothing, stopping early, leaving a call out, doing one twice.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Gates, LeftOut};
use crate::engine::environment::Environment;
use crate::engine::state::State;
use crate::package::diagnostic::{Code, Diagnostic};

pub(super) fn check(gates: &Gates<'_>) -> Vec<Diagnostic> {
    let mut findings = nothing(gates);
    findings.extend(prefixes(gates));
    findings.extend(dropped(gates));
    findings.extend(repeated(gates));
    findings
}

fn nothing(gates: &Gates<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    if !gates.state_passes(&State::default()) {
        return findings;
    }
    if gates.answer_passes(None) || gates.answer_passes(Some("")) {
        findings.push(gates.finding(Code::NoopRewarded, "doing nothing, with no answer, earns the reward"));
    }
    if gates.changes_state() && gates.answer_passes(gates.task.answer()) {
        findings.push(gates.finding(Code::NoopRewarded, "doing nothing, with the right answer, earns the reward"));
    }
    for answer in &gates.ground.stock {
        if gates.answer_passes(Some(answer)) {
            findings.push(gates.finding(
                Code::StockAnswerRewarded,
                format!("doing nothing and answering {answer:?} earns the reward"),
            ));
        }
    }
    findings
}

/// Answers that anyone could give without looking: yes, no, small numbers, and every value that the tools' own schemas list.
pub(super) fn stock_answers(environment: &Environment) -> BTreeSet<String> {
    let mut answers: BTreeSet<String> =
        ["yes", "no", "not possible", "none", "unknown", "done"].map(str::to_owned).into();
    answers.extend((0..=20).map(|number: u32| number.to_string()));
    for tool in environment.tools().values() {
        let properties = tool.input_schema().get("properties").and_then(Value::as_object);
        for property in properties.into_iter().flat_map(|properties| properties.values()) {
            let members = property.get("enum").or_else(|| property.pointer("/items/enum")).and_then(Value::as_array);
            answers.extend(members.into_iter().flatten().map(crate::engine::solution::plain));
        }
    }
    answers
}

fn prefixes(gates: &Gates<'_>) -> Vec<Diagnostic> {
    let calls = gates.calls();
    let mut findings = Vec::new();
    for index in gates.committing() {
        if gates.rewarded(&gates.final_state(gates.states[index].clone()), gates.task.answer()) {
            let message = format!("stopping before call {index} ({}) earns the reward", calls[index].tool);
            findings.push(gates.finding(Code::PrefixRewarded, message));
        }
    }
    findings
}

fn dropped(gates: &Gates<'_>) -> Vec<Diagnostic> {
    let calls = gates.calls();
    let mut findings = Vec::new();
    for index in gates.committing() {
        let last = gates.final_after(gates.states[index].clone(), &calls[index + 1..]);
        if gates.rewarded(&last, gates.task.answer()) {
            let message = format!("leaving out call {index} ({}) earns the reward all the same", calls[index].tool);
            findings.push(gates.finding(Code::DroppedCallRewarded, message));
        }
    }
    findings
}

fn repeated(gates: &Gates<'_>) -> Vec<Diagnostic> {
    // A repeated call moves time, so later times and ids may differ without harm.
    let left_out = LeftOut { volatile: true, free: false };
    let calls = gates.calls();
    let mut findings = Vec::new();
    for index in gates.committing() {
        let once = gates.states[index + 1].clone();
        let twice = gates.attempt_from(once.clone(), &calls[index..=index]);
        let committed = twice.calls.first().is_some_and(|outcome| matches!(outcome, Some((true, true))));
        if !committed || !gates.differ(&gates.final_state(once), &gates.final_state(twice.state.clone()), left_out) {
            continue;
        }
        let last = gates.final_after(twice.state, &calls[index + 1..]);
        if gates.rewarded(&last, gates.task.answer()) {
            let message =
                format!("doing call {index} ({}) twice changes something and earns the reward", calls[index].tool);
            findings.push(gates.finding(Code::RepeatedCallRewarded, message));
        }
    }
    findings
}
