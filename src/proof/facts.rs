//! What a reference solution takes, in numbers: computed from the solution as it was played.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::engine::solution::{PlayedSolution, observed};
use crate::engine::task::{SolutionCall, Source, Task};
use crate::package::TASKS_FILE;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::Facts;

/// The numbers of a task whose solution has been played.
pub(crate) fn of(task: &Task, played: &PlayedSolution) -> Facts {
    let tools: BTreeSet<&str> = played.calls.iter().map(|call| call.tool.as_ref()).collect();
    Facts {
        calls: count(played.calls.len()),
        tools: count(tools.len()),
        hops: hops(task.solution()),
        writes: count(played.calls.iter().filter(|call| call.changed).count()),
        in_sight: in_sight(played),
    }
}

/// Recorded numbers are the right ones.
pub(super) fn check(task: &Task, played: &PlayedSolution) -> Option<Diagnostic> {
    let (recorded, right) = (task.facts()?, of(task, played));
    (recorded != right).then(|| {
        let Facts { calls, tools, hops, writes, in_sight } = right;
        let message = format!(
            "{}: the facts should be {{calls: {calls}, tools: {tools}, hops: {hops}, writes: {writes}, in_sight: {in_sight}}}",
            task.name()
        );
        Diagnostic::new(Code::FactsDiffer, TASKS_FILE, task.facts_line(), message)
    })
}

/// Calls on the longest chain in which each takes an argument from the one before it.
fn hops(calls: &[SolutionCall]) -> u32 {
    let mut longest_to: Vec<u32> = Vec::with_capacity(calls.len());
    for call in calls {
        let sources = call.arguments.iter().flat_map(|(_, source)| taken_from(source));
        let before = sources.filter_map(|earlier| longest_to.get(earlier)).max().copied().unwrap_or(0);
        longest_to.push(before + 1);
    }
    longest_to.into_iter().max().unwrap_or(0)
}

/// Indexes of the earlier calls that an argument takes something from.
fn taken_from(source: &Source) -> Vec<usize> {
    match source {
        Source::From { call, .. } => vec![*call],
        Source::Derived(sql) => OBSERVATION.captures_iter(sql).filter_map(|found| found[1].parse().ok()).collect(),
        Source::Literal(_) | Source::Free(_) => Vec::new(),
    }
}

static OBSERVATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r":obs(\d+)").unwrap_or_else(|err| unreachable!("a pattern of ours doesn't compile: {err}"))
});

fn in_sight(played: &PlayedSolution) -> u32 {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in observed(&played.calls) {
        // An absent reference is no id.
        if (name == "id" || name.ends_with("_id")) && !value.is_null() {
            seen.entry(name).or_default().insert(value.to_string());
        }
    }
    count(seen.values().map(BTreeSet::len).sum())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
