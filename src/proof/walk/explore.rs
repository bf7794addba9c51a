//! Exploring: which tool is called next, in which state, with which arguments.
//!
//! Much like a coverage-guided fuzzer: a tool succeeding or a guard refusing for the first time is coverage; the states and
//! arguments behind it are kept and varied. First the reference solutions are replayed, then every tool gets its share of calls,
//! then what has not been reached gets more: other arguments in states where the guard was passed, and states that tools
//! writing what the guard reads have just changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::choose::Chooser;
use super::corpus::{Corpus, Entry, Notes};
use super::guide::ToolGuide;
use super::judge::{Judge, Verdict};
use super::random::Random;
use super::rows::Reader;
use super::{Tally, Write, texts};
use crate::engine::environment::{Environment, Tool};
use crate::engine::execute::Skipped;
use crate::engine::program::Action;
use crate::engine::solution::{self, Played};
use crate::engine::state::{Conditions, State};
use crate::id::ToolName;

/// Calls each tool gets in one round.
const CALLS_PER_ROUND: usize = 4;

/// Calls after which a tool that keeps running into its budget is left alone: each takes 100 ms.
const OVER_BUDGET_MAX: usize = 5;

/// Most calls in a row from one start; longer episodes reach little that is new.
const DEPTH_MAX: usize = 16;

/// The outcome of a call that completed, as a step behind all steps.
pub(super) const COMPLETED: usize = usize::MAX;

/// A call worth varying.
#[derive(Debug, Clone)]
pub(super) struct Seed {
    /// Where it was made.
    pub entry: Arc<Entry>,
    /// With what.
    pub arguments: Map<String, Value>,
}

/// What is known about one tool from calling it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What came of its calls.
    pub tally: Tally,
    /// Calls by the step that refused them, or [`COMPLETED`], and the steps that were skipped on the way.
    pub seeds: BTreeMap<(usize, Skipped), Vec<Seed>>,
    /// Numbers and dates that its refusals mentioned.
    mentioned: Vec<Value>,
    over_budget: usize,
    writes: usize,
    /// How many climbs began at the start.
    turn: usize,
}

/// A walk in progress.
pub(super) struct Explorer<'e> {
    pub environment: &'e Environment,
    pub guides: &'e [ToolGuide],
    pub judge: Judge<'e>,
    pub corpus: Corpus,
    pub progress: Vec<Progress>,
    pub writes: Vec<Write>,
    pub random: Random,
}

impl<'e> Explorer<'e> {
    /// A walk that starts from `starts`.
    pub(super) fn new(
        environment: &'e Environment,
        guides: &'e [ToolGuide],
        judge: Judge<'e>,
        starts: Vec<Arc<Entry>>,
        seed: u64,
    ) -> Self {
        Self {
            environment,
            guides,
            judge,
            corpus: Corpus::starting(starts),
            progress: environment.tools().iter().map(|_| Progress::default()).collect(),
            writes: Vec::new(),
            random: Random::new(seed),
        }
    }

    fn tool(&self, index: usize) -> Option<&'e Tool> {
        self.environment.tools().get_index(index).map(|(_, tool)| tool)
    }

    /// Replays every reference solution, so that its states can be started from.
    pub(super) fn replay_solutions(&mut self) {
        for task in self.environment.tasks().values() {
            let conditions = solution::conditions(self.environment, task, 0);
            let mut entry = Entry::start(self.environment, conditions, State::default());
            let mut played: Vec<Played> = Vec::new();
            for call in task.solution() {
                let resolved = call.arguments.iter().map(|(name, source)| {
                    solution::resolve(self.environment, source, &played).map(|value| (name.clone(), value))
                });
                let Ok(arguments) = resolved.collect::<Result<Map<String, Value>, String>>() else { break };
                let Some(index) = self.environment.tools().get_index_of(&call.tool) else { break };
                let Some(attempt) = self.attempt(index, &entry, &arguments) else { break };
                played.push(Played {
                    tool: call.tool.clone(),
                    arguments,
                    observation: attempt.observation,
                    changed: attempt.child.is_some(),
                });
                if let Some(child) = attempt.child {
                    self.corpus.keep(Arc::clone(&child));
                    entry = child;
                }
            }
        }
    }

    /// Calls every tool its share of times, by turns, so that each finds states that the others have reached.
    pub(super) fn rounds(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for index in 0..self.progress.len() {
                let Some(mut entry) = self.corpus.pick(&mut self.random) else { return };
                for _ in 0..CALLS_PER_ROUND {
                    if let Some(child) = self.probe(index, &entry, None)
                        && self.random.percent(30)
                    {
                        entry = child;
                    }
                }
            }
        }
    }

    /// Spends more calls on tools that haven't succeeded and guards that haven't refused.
    pub(super) fn chase(&mut self, calls_max: usize) {
        let mut spent: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        loop {
            let mut goals = self.unreached();
            goals.retain(|goal| spent.get(goal).copied().unwrap_or(0) < calls_max && !self.is_hopeless(goal.0));
            if goals.is_empty() {
                return;
            }
            for goal in goals {
                let before = self.progress[goal.0].tally.calls;
                self.burst(goal);
                let calls = self.progress[goal.0].tally.calls - before;
                *spent.entry(goal).or_default() += usize::try_from(calls).unwrap_or(1).max(1);
            }
        }
    }

    fn is_hopeless(&self, index: usize) -> bool {
        self.progress[index].over_budget >= OVER_BUDGET_MAX
    }

    /// Guards that have not refused, by tool and step, and tools that have not completed.
    pub(super) fn unreached(&self) -> Vec<(usize, usize)> {
        let mut goals = Vec::new();
        for (index, tool) in self.environment.tools().values().enumerate() {
            let tally = &self.progress[index].tally;
            for (step, action) in tool.program().steps.iter().map(|step| &step.action).enumerate() {
                if matches!(action, Action::Guard { .. }) && !tally.refusals.contains_key(&step) {
                    goals.push((index, step));
                }
            }
            if tally.successes == 0 {
                goals.push((index, COMPLETED));
            }
        }
        goals
    }

    /// A few calls towards a goal.
    fn burst(&mut self, (index, step): (usize, usize)) {
        match self.random.below(10) {
            0..=3 => self.climb(index, step),
            4 => self.as_everybody(index, step),
            5 => self.pile_up(index, step),
            _ => {
                let seed = self.seed_towards(index, step);
                self.vary(index, step, seed.as_ref());
            }
        }
    }

    /// From the best of a few calls in one state, changes one input at a time through all its values, or the state by a call that
    /// writes what the refusing guard depends on, and stays with what comes closer to the goal, or no less close.
    fn climb(&mut self, index: usize, step: usize) {
        const FIRST_CALLS: usize = 8;
        const CHANGES: usize = 6;
        const START_PERCENT: usize = 60;
        let start = if self.random.percent(START_PERCENT) { self.next_start(index) } else { None };
        let Some(mut entry) = start.or_else(|| self.corpus.pick(&mut self.random)) else { return };
        let mut best = Best::default();
        let base = self.seed_towards(index, step);
        for call in 0..FIRST_CALLS {
            let base = base.as_ref().filter(|_| call % 2 == 0).map(|seed| &seed.arguments);
            let arguments = self.choose(index, &entry, base, None);
            self.step_up(index, step, &entry, arguments, &mut best);
        }
        let guides = self.guides;
        for _ in 0..CHANGES {
            if self.random.percent(40) {
                let refusing = best.refusing.min(step);
                let concerns = guides[index].concerns.get(refusing).unwrap_or(&guides[index].reads);
                let about = Seed { entry: Arc::clone(&entry), arguments: best.arguments.clone() };
                entry = self.prelude(concerns, entry, Some(&about), 1);
                let again = best.arguments.clone();
                best.closeness = -1;
                self.step_up(index, step, &entry, again, &mut best);
                continue;
            }
            let Some(input) = self.random.pick(&guides[index].inputs) else { return };
            for value in self.chooser(index, &entry, &entry.notes).every(input) {
                let mut arguments = best.arguments.clone();
                arguments.insert(input.name.clone(), value);
                self.step_up(index, step, &entry, arguments, &mut best);
            }
        }
    }

    /// The initial state, as one actor after the other.
    fn next_start(&mut self, index: usize) -> Option<Arc<Entry>> {
        let turn = &mut self.progress[index].turn;
        *turn += 1;
        self.corpus.starts.get(*turn % self.corpus.starts.len().max(1)).cloned()
    }

    /// Makes a call and keeps its arguments where they come at least as close to the goal as the best so far.
    fn step_up(
        &mut self,
        index: usize,
        step: usize,
        entry: &Arc<Entry>,
        arguments: Map<String, Value>,
        best: &mut Best,
    ) {
        let outcome = self.attempt(index, entry, &arguments).and_then(|attempt| attempt.outcome);
        let doubled = |step: usize| i64::try_from(step.min(1_000) * 2).unwrap_or(0);
        let (closeness, refusing) = match outcome {
            None => (-1, 0),
            Some((reached, _)) if reached < step => (doubled(reached), reached),
            Some((_, skipped)) if is_skipped(skipped, step) => (doubled(step) - 1, step),
            Some(_) => (doubled(step), step),
        };
        if closeness >= best.closeness {
            *best = Best { closeness, refusing, arguments };
        }
    }

    /// Makes a call about the same things again and again, from one state to the next, as somebody does who runs into a limit.
    fn pile_up(&mut self, index: usize, step: usize) {
        const CALLS: usize = 40;
        let Some(seed) = self.seed_towards(index, step) else { return };
        let mut entry = Arc::clone(&seed.entry);
        let mut arguments = seed.arguments.clone();
        for _ in 0..CALLS {
            if let Some(child) = self.attempt(index, &entry, &arguments).and_then(|attempt| attempt.child) {
                entry = child;
            }
            arguments = self.choose(index, &entry, Some(&seed.arguments), None);
        }
    }

    /// The same call by every actor at the start.
    fn as_everybody(&mut self, index: usize, step: usize) {
        let Some(seed) = self.seed_towards(index, step) else { return };
        for start in self.corpus.starts.clone() {
            self.attempt(index, &start, &seed.arguments);
        }
    }

    /// Variations of a call and other calls, in a state that has been got ready for them or not.
    fn vary(&mut self, index: usize, step: usize, seed: Option<&Seed>) {
        const VARIATIONS: usize = 8;
        const PREPARED_PERCENT: usize = 60;
        let mut entry = match (seed, self.random.percent(60)) {
            (Some(seed), true) => Arc::clone(&seed.entry),
            _ => match self.corpus.pick(&mut self.random) {
                Some(entry) => entry,
                None => return,
            },
        };
        if self.random.percent(PREPARED_PERCENT) {
            let calls = 1 + self.random.below(3);
            let guides = self.guides;
            let concerns =
                guides[index].concerns.get(step).filter(|_| self.random.percent(50)).unwrap_or(&guides[index].reads);
            entry = self.prelude(concerns, entry, seed, calls);
        }
        if let Some(seed) = seed {
            if let Some(child) = self.attempt(index, &entry, &seed.arguments).and_then(|attempt| attempt.child)
                && self.random.percent(50)
            {
                entry = child;
            }
            for _ in 0..VARIATIONS {
                let arguments = self.choose(index, &entry, Some(&seed.arguments), None);
                self.attempt(index, &entry, &arguments);
            }
        }
        for _ in 0..VARIATIONS {
            self.probe(index, &entry, seed);
        }
    }

    /// A call that passed the step without skipping it, or else one that came close to it.
    fn seed_towards(&mut self, index: usize, step: usize) -> Option<Seed> {
        let seeds = &self.progress[index].seeds;
        let behind = seeds.range((step.saturating_add(1), 0)..);
        let passed: Vec<&Vec<Seed>> =
            behind.clone().filter(|((_, skipped), _)| !is_skipped(*skipped, step)).map(|(_, seeds)| seeds).collect();
        let skipped = behind.map(|(_, seeds)| seeds);
        let nearest = seeds.range(..(step, 0)).rev().take(2).map(|(_, seeds)| seeds);
        let close: Vec<&Vec<Seed>> = skipped.chain(nearest).collect();
        let candidates = self.random.pick(if passed.is_empty() { &close } else { &passed })?;
        self.random.pick(candidates).cloned()
    }

    /// Calls of tools that write these tables, about the same things where possible.
    fn prelude(
        &mut self,
        tables: &BTreeSet<usize>,
        start: Arc<Entry>,
        seed: Option<&Seed>,
        calls: usize,
    ) -> Arc<Entry> {
        const TRIES: usize = 5;
        let writers = self
            .environment
            .tools()
            .values()
            .enumerate()
            .filter(|(_, tool)| !tool.written_tables().is_disjoint(tables));
        let writers: Vec<usize> = writers.map(|(writer, _)| writer).collect();
        let mut entry = start;
        for _ in 0..calls {
            let Some(writer) = self.random.pick(&writers).copied() else { return entry };
            if self.is_hopeless(writer) {
                continue;
            }
            for _ in 0..TRIES {
                if let Some(child) = self.probe(writer, &entry, seed) {
                    entry = child;
                    break;
                }
            }
        }
        entry
    }

    /// One call with chosen arguments. Gives the state after it if it committed.
    fn probe(&mut self, index: usize, entry: &Arc<Entry>, about: Option<&Seed>) -> Option<Arc<Entry>> {
        const SEEDED_PERCENT: usize = 35;
        let base = if about.is_none() && self.random.percent(SEEDED_PERCENT) { self.any_seed(index) } else { None };
        let mut notes = None;
        if let Some(seed) = about {
            let mut about = entry.notes.clone();
            about.arguments(&seed.arguments);
            notes = Some(about);
        }
        let arguments = self.choose(index, entry, base.as_ref().map(|seed| &seed.arguments), notes.as_ref());
        self.attempt(index, entry, &arguments).and_then(|attempt| attempt.child)
    }

    fn any_seed(&mut self, index: usize) -> Option<Seed> {
        let outcomes: Vec<&Vec<Seed>> = self.progress[index].seeds.values().collect();
        let seeds = self.random.pick(&outcomes)?;
        self.random.pick(seeds).cloned()
    }

    fn choose(
        &mut self,
        index: usize,
        entry: &Arc<Entry>,
        base: Option<&Map<String, Value>>,
        notes: Option<&Notes>,
    ) -> Map<String, Value> {
        let guides = self.guides;
        let guide = &guides[index];
        let mut chooser = self.chooser(index, entry, notes.unwrap_or(&entry.notes));
        match base {
            Some(base) => chooser.mutated(guide, base),
            None => chooser.arguments(guide),
        }
    }

    fn chooser<'c>(&'c mut self, index: usize, entry: &'c Entry, notes: &'c Notes) -> Chooser<'c> {
        Chooser {
            environment: self.environment,
            reader: self.judge.reader,
            entry,
            notes,
            mentioned: &self.progress[index].mentioned,
            random: &mut self.random,
            chosen_time: None,
        }
    }

    /// Makes a call, judges it and remembers what it was good for. None where it faulted.
    pub(super) fn attempt(
        &mut self,
        index: usize,
        entry: &Arc<Entry>,
        arguments: &Map<String, Value>,
    ) -> Option<Attempt> {
        let tool = self.tool(index)?;
        if self.is_hopeless(index) {
            return None;
        }
        let judged = self.judge.call((index, tool), entry, arguments);
        let progress = &mut self.progress[index];
        progress.tally.calls += 1;
        let outcome = match &judged.verdict {
            Verdict::Faulted => return None,
            Verdict::Invalid => {
                progress.tally.invalid += 1;
                None
            }
            Verdict::OverBudget => {
                progress.over_budget += 1;
                None
            }
            Verdict::Refused(step, message) => {
                *progress.tally.refusals.entry(*step).or_default() += 1;
                mention(&mut progress.mentioned, message);
                Some((*step, judged.skipped))
            }
            Verdict::Completed => {
                progress.tally.successes += 1;
                Some((COMPLETED, judged.skipped))
            }
        };
        let seed = Seed { entry: Arc::clone(entry), arguments: arguments.clone() };
        let is_new = outcome.is_some_and(|outcome| self.sow(index, outcome, seed));
        if let Some(child) = &judged.child {
            self.commit(tool, index, entry, arguments, child, is_new);
        }
        Some(Attempt { outcome, observation: judged.observation?, child: judged.child })
    }

    /// Remembers a call by its outcome; true where the outcome is the first of its kind.
    fn sow(&mut self, index: usize, outcome: (usize, Skipped), seed: Seed) -> bool {
        const SEEDS_MAX: usize = 12;
        const REPLACED_PERCENT: usize = 10;
        const OUTCOMES_MAX: usize = 100;
        let all = &mut self.progress[index].seeds;
        if all.len() >= OUTCOMES_MAX && !all.contains_key(&outcome) {
            return false;
        }
        let seeds = all.entry(outcome).or_default();
        let is_new = seeds.is_empty();
        if seeds.len() < SEEDS_MAX {
            seeds.push(seed);
        } else if self.random.percent(REPLACED_PERCENT) {
            let victim = self.random.below(SEEDS_MAX);
            seeds[victim] = seed;
        }
        is_new
    }

    fn commit(
        &mut self,
        tool: &Tool,
        index: usize,
        entry: &Entry,
        arguments: &Map<String, Value>,
        child: &Arc<Entry>,
        is_new: bool,
    ) {
        const WRITES_PER_TOOL: usize = 3;
        if entry.depth == 0 && self.progress[index].writes < WRITES_PER_TOOL {
            self.progress[index].writes += 1;
            self.writes.push(Write {
                tool: ToolName::clone(tool.name()),
                arguments: arguments.clone(),
                actor: entry.conditions.actor.clone(),
            });
        }
        if is_new {
            self.corpus.keep(Arc::clone(child));
        } else if child.depth < DEPTH_MAX {
            self.corpus.pass(Arc::clone(child), &mut self.random);
        }
    }
}

/// The arguments that have come closest to a goal.
#[derive(Debug)]
struct Best {
    closeness: i64,
    /// The step that refused.
    refusing: usize,
    arguments: Map<String, Value>,
}

impl Default for Best {
    fn default() -> Self {
        Self { closeness: -1, refusing: 0, arguments: Map::new() }
    }
}

/// A call that was made.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The step that refused, or [`COMPLETED`], and the steps that were skipped; none where no step had a say.
    outcome: Option<(usize, Skipped)>,
    /// What came back.
    pub observation: crate::engine::state::Observation,
    /// The state after it, where it committed.
    pub child: Option<Arc<Entry>>,
}

fn is_skipped(skipped: Skipped, step: usize) -> bool {
    u32::try_from(step).ok().and_then(|step| skipped.checked_shr(step)).unwrap_or(0) & 1 == 1
}

fn mention(mentioned: &mut Vec<Value>, message: &str) {
    const MENTIONED_MAX: usize = 30;
    for value in texts::mentioned(message) {
        if !mentioned.contains(&value) {
            mentioned.push(value);
            if mentioned.len() > MENTIONED_MAX {
                mentioned.remove(0);
            }
        }
    }
}

/// The initial state as each actor finds it; of very many actors, as many spread over them.
pub(super) fn starts(environment: &Environment, reader: &Reader) -> Vec<Arc<Entry>> {
    const ACTORS_MAX: usize = 24;
    let actors = environment.actors();
    let stride = actors.len().div_ceil(ACTORS_MAX).max(1);
    let spread = actors.iter().step_by(stride).map(|actor| &actor.id);
    let named = environment.tasks().values().map(|task| task.actor());
    let mut ids: Vec<&Value> = std::iter::once(environment.default_actor()).chain(named).chain(spread).collect();
    let mut seen: Vec<&Value> = Vec::new();
    ids.retain(|id| {
        let is_new = !seen.contains(id);
        seen.push(id);
        is_new
    });
    let actor = environment.default_actor().clone();
    let conditions = Conditions { seed: 0, clock_ms: environment.clock_ms(), actor };
    let first = Entry::start(environment, conditions, State::default());
    ids.into_iter().map(|actor| first.as_actor(reader, actor)).collect()
}
