//! What doesn't matter doesn't count, and what wasn't asked for does: extra reads, unrelated writes, which connection or
//! episode came before, and the numbers that ids happen to have.

use std::collections::BTreeSet;

use super::{Call, Gates, LeftOut, Scope};
use crate::engine::compare;
use crate::engine::environment::Environment;
use crate::engine::snapshot::Delta;
use crate::engine::solution::{self, PlayedSolution};
use crate::engine::state::State;
use crate::engine::task::Source;
use crate::engine::verify;
use crate::package::diagnostic::{Code, Diagnostic};

/// Most unrelated writes tried on one task.
const UNRELATED_MAX: usize = 12;

/// How far generated ids are shifted to see what moves with them.
const ID_SHIFT: i64 = 100_000;

pub(super) fn check(gates: &Gates<'_>, unrelated: &[Call], scope: Scope) -> Vec<Diagnostic> {
    let mut findings = collateral(gates, unrelated);
    findings.extend(hidden_references(gates));
    if scope == Scope::All {
        findings.extend(reads(gates));
        findings.extend(same_bytes(gates));
    }
    findings
}

/// Reads inserted anywhere leave the verdict as it is. They are all made in one attempt, and apart only where it fails. Between
/// two calls that change nothing the state is the same, and so would the same reads be.
fn reads(gates: &Gates<'_>) -> Vec<Diagnostic> {
    let reads = read_calls(gates);
    let calls = gates.calls();
    let moved = |position: &usize| *position == 0 || gates.played.calls[position - 1].changed;
    let positions: Vec<usize> = (0..=calls.len()).filter(moved).collect();
    let with_reads = |positions: &[usize]| {
        let mut more = Vec::with_capacity(calls.len() + positions.len() * reads.len());
        for position in 0..=calls.len() {
            if positions.contains(&position) {
                more.extend(reads.iter().cloned());
            }
            more.extend(calls.get(position).cloned());
        }
        let attempt = gates.attempt_from(State::default(), &more);
        gates.rewarded(&gates.final_state(attempt.state), gates.task.answer())
    };
    if with_reads(&positions) {
        return Vec::new();
    }
    let mut costly: Vec<String> = positions
        .iter()
        .filter(|position| !with_reads(&[**position]))
        .map(|position| format!("call {position}"))
        .collect();
    if costly.is_empty() {
        costly.push("each call".to_owned());
    }
    let names: Vec<&str> = reads.iter().map(|call| call.tool.as_ref()).collect();
    let message = |place: &String| format!("reads before {place} cost the reward: {}", names.join(", "));
    costly.iter().map(|place| gates.finding(Code::ReadChangesVerdict, message(place))).collect()
}

/// The solution's own reads, and every tool that only reads and can be called without arguments.
fn read_calls(gates: &Gates<'_>) -> Vec<Call> {
    let tools = gates.environment.tools();
    let read_only = |call: &Call| tools.get(&call.tool).is_some_and(|tool| tool.program().read_only());
    gates.calls().into_iter().filter(read_only).chain(gates.ground.reads.iter().cloned()).collect()
}

/// A call of every tool that only reads and can be called without arguments.
pub(super) fn plain_reads(environment: &Environment) -> Vec<Call> {
    let reads = environment.tools().values().filter(|tool| tool.program().read_only());
    let plain = reads.filter(|tool| tool.inputs().all().iter().all(|input| !input.required));
    plain.map(|tool| Call { tool: tool.name().clone(), arguments: serde_json::Map::new() }).collect()
}

/// A write that the task didn't ask for costs the reward.
fn collateral(gates: &Gates<'_>, unrelated: &[Call]) -> Vec<Diagnostic> {
    let left_out = LeftOut { volatile: true, free: false };
    let mut findings = Vec::new();
    let mut tried = 0;
    for call in unrelated.iter().filter(|call| !is_reworded(gates, call)) {
        let attempt = gates.attempt_from(gates.played.state.clone(), std::slice::from_ref(call));
        let committed = attempt.calls.first().is_some_and(|outcome| matches!(outcome, Some((true, true))));
        if !committed {
            continue;
        }
        let last = gates.final_state(attempt.state);
        if !gates.ends_elsewhere(&last, left_out) {
            continue;
        }
        tried += 1;
        if gates.rewarded(&last, gates.task.answer()) {
            let arguments = serde_json::Value::Object(call.arguments.clone());
            let message = format!("adding {} {arguments} to the solution goes unnoticed", call.tool);
            findings.push(gates.finding(Code::CollateralRewarded, message));
        }
        if tried == UNRELATED_MAX {
            break;
        }
    }
    findings
}

/// Whether a call is one of the solution's with other words where the agent chooses them: no other write.
fn is_reworded(gates: &Gates<'_>, call: &Call) -> bool {
    let of_solution = gates.played.calls.iter().zip(gates.task.solution());
    of_solution.filter(|(played, _)| played.tool == call.tool).any(|(played, written)| {
        let is_free = |name: &str| {
            let mut sources = written.arguments.iter().filter(|(argument, _)| argument == name);
            sources.any(|(_, source)| matches!(source, Source::Free(_)))
        };
        played.arguments.len() == call.arguments.len()
            && played
                .arguments
                .iter()
                .all(|(name, value)| call.arguments.get(name).is_some_and(|other| other == value || is_free(name)))
    })
}

/// The same calls give the same bytes on a fresh connection and on one that has just served somebody else.
fn same_bytes(gates: &Gates<'_>) -> Vec<Diagnostic> {
    let reference = transcript(&gates.played);
    let play = || solution::play(gates.environment, gates.task, &gates.conditions, State::default());
    let mut findings = Vec::new();
    gates.environment.shrink();
    let fresh = play();
    // Another attempt in between, under another seed, leaves its pages in the connection's cache.
    let other = crate::engine::state::Conditions { seed: 99, ..gates.conditions.clone() };
    let between = solution::play(gates.environment, gates.task, &other, State::default());
    let used = play();
    for (played, connection) in
        [(fresh, "a fresh connection"), (used, "a connection that had just served another episode")]
    {
        if played.is_ok_and(|played| transcript(&played) != reference) || between.is_err() {
            findings.push(
                gates.finding(Code::NotDeterministic, format!("the solution's observations differ on {connection}")),
            );
        }
    }
    findings
}

fn transcript(played: &PlayedSolution) -> String {
    let calls = played.calls.iter();
    calls.map(|call| format!("{} {}\n", call.tool, call.observation.text())).collect()
}

/// A cell that moves with generated ids and is neither key nor declared reference would be compared by value.
fn hidden_references(gates: &Gates<'_>) -> Vec<Diagnostic> {
    let Some(shifted) = &gates.ground.shifted else { return Vec::new() };
    let Ok(played) = solution::play(gates.environment, gates.task, &gates.conditions, shifted.clone()) else {
        return vec![gates.finding(Code::HiddenReference, "the solution fails where generated ids are higher")];
    };
    let written = &gates.played.state.written;
    let Ok(delta) =
        verify::changes(gates.environment, &played.state, &gates.conditions, written, &gates.ground.initial)
    else {
        return Vec::new();
    };
    let moved = moved_cells(gates, &gates.expected.delta, &delta);
    let name = |(table, column): &(usize, usize)| {
        let table = &gates.environment.catalog().tables[*table];
        format!("{}.{}", table.name, table.columns[*column])
    };
    let message = |cell| format!("{} moves with generated ids and is no declared reference", name(cell));
    moved.iter().map(|cell| gates.finding(Code::HiddenReference, message(cell))).collect()
}

/// The initial state with every id sequence moved on.
pub(super) fn shifted_ids(environment: &Environment) -> Option<State> {
    let image = environment.image();
    let plain = crate::database::open_bytes(image.bytes()).ok()?;
    for table in environment.catalog().tables.iter().filter(|table| table.autoincrement) {
        let moved =
            plain.execute("UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = ?2", (ID_SHIFT, &table.name)).ok()?;
        if moved == 0 {
            plain.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?2, ?1)", (ID_SHIFT, &table.name)).ok()?;
        }
    }
    let bytes = crate::database::bytes_of(plain).ok()?;
    Some(State { overlay: crate::database::Overlay::from_bytes(image, &bytes), ..State::default() })
}

fn moved_cells(gates: &Gates<'_>, first: &Delta, second: &Delta) -> BTreeSet<(usize, usize)> {
    let catalog = gates.environment.catalog();
    let volatile = compare::volatile(catalog, first, second);
    let cells =
        volatile.changed.iter().map(|(table, _, column)| (*table, *column)).chain(volatile.added.iter().copied());
    cells
        .filter(|(table, column)| {
            let found = &catalog.tables[*table];
            let reference = found.references.iter().any(|reference| reference.columns.contains(column));
            let key = found.rowid == Some(*column);
            !(reference || key || gates.environment.history().contains(table))
        })
        .collect()
}
