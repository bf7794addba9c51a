//! The generated walk: calls every tool in many states and judges what comes of it.
//!
//! [`explore`] makes the calls (see [`explore`](self::explore) the module for how they are chosen) and keeps what was found and reached;
//! [`check`] adds what can be told only afterwards. Everything is deterministic: seeds are fixed, and nothing depends on time.
//!
//! ```text
//! sql      what a tool's SQL tells about its inputs     explore  which call is made next
//! guide    where values of inputs come from             judge    making a call and judging it
//! choose   choosing arguments                           private  rows of others, by key; rows of others changed
//! rows     the rows of a state, and whose they are      marks    anything else of rows of others
//! corpus   states that calls have reached               endings  integrity, and the same again
//! order    where SQLite is free to choose an order         wander   an agent without a plan
//! ```

mod choose;
mod corpus;
mod endings;
mod explore;
mod guide;
mod judge;
mod marks;
mod order;
mod private;
mod random;
mod rows;
pub(super) mod sql;
mod texts;
mod wander;

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use jsonschema::Validator;
use serde_json::{Map, Value};

use self::corpus::{Corpus, Entry};
pub(super) use self::endings::integrity_of as integrity;
use self::explore::{Explorer, Progress};
use self::guide::ToolGuide;
use self::judge::{Findings, Judge, Place, Samples, shortened};
use self::private::Private;
pub(super) use self::random::Random;
use self::rows::Reader;
use crate::engine::environment::{Environment, Tool};
use crate::engine::program::Action;
use crate::id::ToolName;
use crate::package::diagnostic::{Code, Diagnostic};

/// Seed of every choice the walk makes.
const SEED: u64 = 1;

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds in which every tool is called by turns, four times each.
    rounds: usize,
    /// Most calls that are spent on one guard that hasn't refused, or on one tool that hasn't completed.
    chase_calls_max: usize,
    /// Most actors in whose place hidden rows are looked for: those to whom the most is hidden, and some to whom less is.
    marked_actors_max: usize,
    /// Most calls of the walk that are made again in an actor's place, for each tool.
    marked_replays_max: usize,
    /// Rounds in that place.
    marked_rounds: usize,
    /// Calls of each tool that are made again to see whether they give the same: some of all, and those with the longest results.
    repeated: usize,
    repeated_longest: usize,
    /// States whose whole database is looked at. Each takes a few milliseconds.
    integrity_states_max: usize,
    /// Whether calls are judged, or only how they came out is of interest.
    judged: bool,
}

impl Effort {
    /// For the author of a package: two hundred calls of each tool is what `check` promises; some more make the odd cases likelier.
    pub(crate) const THOROUGH: Self = Self {
        rounds: 75,
        chase_calls_max: 12_000,
        marked_actors_max: 4,
        marked_replays_max: 60,
        marked_rounds: 10,
        repeated: 4,
        repeated_longest: 2,
        integrity_states_max: 60,
        judged: true,
    };

    /// For one of a thousand packages in a fraction of a second: a fourth of the calls.
    pub(crate) const BRIEF: Self = Self {
        rounds: 20,
        chase_calls_max: 6_000,
        marked_actors_max: 2,
        marked_replays_max: 20,
        marked_rounds: 5,
        repeated: 2,
        repeated_longest: 1,
        integrity_states_max: 20,
        judged: true,
    };

    /// Only for what can be reached at all, in a tenth of a second.
    const REACH: Self = Self {
        rounds: 3,
        chase_calls_max: 1_200,
        marked_actors_max: 0,
        marked_replays_max: 0,
        marked_rounds: 0,
        repeated: 0,
        repeated_longest: 0,
        integrity_states_max: 0,
        judged: false,
    };
}

/// How often the calls of a tool came out which way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// All calls.
    pub calls: u64,
    /// Calls that completed.
    pub successes: u64,
    /// Calls whose arguments didn't fit the input schema.
    pub invalid: u64,
    /// Refusals by the index of the guard's step.
    pub refusals: BTreeMap<usize, u64>,
}

/// A call that changes something in the initial state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    /// The tool.
    pub tool: ToolName,
    /// The arguments.
    pub arguments: Map<String, Value>,
    /// Who called.
    pub actor: Value,
}

/// What a walk is made with, read off the environment once.
struct Ground {
    reader: Reader,
    guides: Vec<ToolGuide>,
    /// None where calls aren't judged.
    rules: Option<Rules>,
}

/// What completed calls are judged by.
pub(super) struct Rules {
    private: Private,
    /// Of the tools' results.
    validators: Vec<Option<Validator>>,
}

/// A walk that has been taken.
pub(crate) struct Walk {
    /// What came of each tool's calls.
    pub tools: IndexMap<ToolName, Tally>,
    /// Calls that change something in the initial state, a few for each tool and its actors.
    pub writes: Vec<Write>,
    ground: Ground,
    findings: Findings,
    progress: Vec<Progress>,
    corpus: Corpus,
    samples: Vec<Samples>,
    effort: Effort,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Walk").field("tools", &self.tools).field("writes", &self.writes).finish_non_exhaustive()
    }
}

impl Ground {
    fn new(environment: &Environment, judged: bool) -> Self {
        Self {
            reader: Reader::new(environment),
            guides: environment.tools().values().map(|tool| guide::guide(environment, tool)).collect(),
            rules: judged.then(|| Rules::new(environment)),
        }
    }
}

impl Rules {
    fn new(environment: &Environment) -> Self {
        let validator = |tool: &Tool| {
            let schema = Value::Object((**tool.output_schema()).clone());
            jsonschema::draft202012::options().build(&schema).ok()
        };
        Self { private: Private::new(environment), validators: environment.tools().values().map(validator).collect() }
    }
}

/// Takes the walk.
pub(crate) fn explore(environment: &Environment, effort: Effort) -> Walk {
    let ground = Ground::new(environment, effort.judged);
    let mut judge = Judge::new(environment, &ground.reader, ground.rules.as_ref());
    (judge.repeated, judge.repeated_longest) = (effort.repeated, effort.repeated_longest);
    let starts = explore::starts(environment, &ground.reader);
    let mut explorer = Explorer::new(environment, &ground.guides, judge, starts, SEED);
    explorer.replay_solutions();
    explorer.rounds(effort.rounds);
    explorer.chase(effort.chase_calls_max);
    let tallies = explorer.progress.iter().map(|progress| progress.tally.clone());
    let tools = environment.tools().keys().cloned().zip(tallies).collect();
    let Explorer { judge, corpus, progress, writes, .. } = explorer;
    let Judge { findings, samples, .. } = judge;
    Walk { tools, writes, findings, progress, corpus, samples, ground, effort }
}

/// Tools that no call of a short walk completes and guards that refuse none.
pub(crate) fn out_of_reach(environment: &Environment) -> Vec<Diagnostic> {
    let walk = explore(environment, Effort::REACH);
    let mut findings = Findings::default();
    unreached(environment, &walk, &mut findings);
    findings.into_diagnostics().collect()
}

/// Everything the walk found.
pub(crate) fn check(environment: &Environment, walk: &Walk) -> Vec<Diagnostic> {
    let mut findings = walk.findings.clone();
    unreached(environment, walk, &mut findings);
    endings::determinism(environment, &walk.samples, &mut findings);
    shown(environment, walk, &mut findings);
    let integrity = endings::integrity(environment, &walk.corpus, walk.effort.integrity_states_max);
    findings.into_diagnostics().chain(integrity).collect()
}

/// Tools that never complete and guards that never refuse.
fn unreached(environment: &Environment, walk: &Walk, findings: &mut Findings) {
    for (index, tool) in environment.tools().values().enumerate() {
        let tally = &walk.progress[index].tally;
        if tally.successes == 0 {
            let place = Place { tool: index, what: "", line: tool.line() };
            findings.add(Code::ToolNeverSucceeds, place, 0, || {
                format!("{}: none of {} calls completed{}", tool.name(), tally.calls, outcomes(tool, tally))
            });
        }
        for (step, action) in tool.program().steps.iter().map(|step| &step.action).enumerate() {
            let Action::Guard { query, refusal } = action else { continue };
            if tally.refusals.contains_key(&step) {
                continue;
            }
            let seeds = &walk.progress[index].seeds;
            let passed: usize = seeds.range((step + 1, 0)..).map(|(_, seeds)| seeds.len()).sum();
            let place = Place { tool: index, what: &step.to_string(), line: refusal.line };
            findings.add(Code::GuardNeverRefuses, place, 0, || {
                let reached = if passed == 0 { ", none of which came so far" } else { "" };
                format!(
                    "{}: none of {} calls{reached} was refused by {} ({})",
                    tool.name(),
                    tally.calls,
                    refusal.code,
                    shortened(&query.sql)
                )
            });
        }
    }
}

fn outcomes(tool: &Tool, tally: &Tally) -> String {
    let mut outcomes = String::new();
    for (step, count) in &tally.refusals {
        if let Some(Action::Guard { refusal, .. }) = tool.program().steps.get(*step).map(|step| &step.action) {
            outcomes.push_str(&format!("; {count} were refused by {}", refusal.code));
        }
    }
    if tally.invalid > 0 {
        outcomes.push_str(&format!("; {} had invalid arguments", tally.invalid));
    }
    outcomes
}

/// Calls the tools on databases in which everything hidden from an actor is marked, for several actors at once.
fn shown(environment: &Environment, walk: &Walk, findings: &mut Findings) {
    let actors = marked_actors(environment, walk);
    let found: Vec<Findings> = std::thread::scope(|scope| {
        let threads: Vec<_> = actors.iter().map(|start| scope.spawn(|| shown_to(environment, walk, start))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    for found in found {
        findings.merge(found);
    }
}

fn marked_actors<'w>(environment: &Environment, walk: &'w Walk) -> Vec<&'w Arc<Entry>> {
    let hidden = |start: &Arc<Entry>| -> usize {
        let rows =
            environment.private().keys().map(|table| start.rows(environment, &walk.ground.reader, *table).hidden());
        rows.sum()
    };
    let mut starts: Vec<(usize, &Arc<Entry>)> = walk.corpus.starts.iter().map(|start| (hidden(start), start)).collect();
    starts.retain(|(hidden, _)| *hidden > 0);
    starts.sort_by_key(|(hidden, _)| std::cmp::Reverse(*hidden));
    let stride = starts.len().div_ceil(walk.effort.marked_actors_max).max(1);
    starts.into_iter().step_by(stride).map(|(_, start)| start).collect()
}

fn shown_to(environment: &Environment, walk: &Walk, start: &Arc<Entry>) -> Findings {
    const SEED: u64 = 2;
    let Some((state, marks)) = marks::marked(environment, &walk.ground.reader, start) else {
        return Findings::default();
    };
    let start = Entry::start(environment, start.conditions.clone(), state);
    let mut judge = Judge::new(environment, &walk.ground.reader, walk.ground.rules.as_ref());
    judge.marks = Some(marks);
    let mut explorer = Explorer::new(environment, &walk.ground.guides, judge, vec![Arc::clone(&start)], SEED);
    for (index, progress) in walk.progress.iter().enumerate() {
        let seeds = progress.seeds.values().rev().flatten();
        let (own, others): (Vec<_>, Vec<_>) =
            seeds.partition(|seed| seed.entry.conditions.actor == start.conditions.actor);
        for seed in own.into_iter().chain(others).take(walk.effort.marked_replays_max) {
            explorer.attempt(index, &start, &seed.arguments);
        }
    }
    explorer.rounds(walk.effort.marked_rounds);
    explorer.judge.findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lending() -> Arc<Environment> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lending");
        Environment::load(&folder).environment.unwrap()
    }

    #[test]
    fn every_tool_is_called_often_and_every_guard_refuses() {
        let environment = lending();
        let walk = explore(&environment, Effort::THOROUGH);
        for (name, tally) in &walk.tools {
            assert!(tally.calls >= 200 && tally.successes > 0, "{name}: {tally:?}");
        }
        assert!(walk.writes.iter().any(|write| write.actor == environment.actors()[1].id));
    }

    #[test]
    fn the_same_walk_is_taken_every_time() {
        let environment = lending();
        let walk = || explore(&environment, Effort::THOROUGH);
        let (first, second) = (walk(), walk());
        assert_eq!(first.tools, second.tools);
        assert_eq!(first.writes, second.writes);
        assert_eq!(check(&environment, &first), check(&environment, &second));
    }
}
