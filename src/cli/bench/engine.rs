//! The engine by itself: no server, no JSON-RPC.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::report::{Budget, Group, Row};
use super::times::{Times, median};
use super::{Environments, broken, limits};
use crate::cli::Failure;
use crate::engine::environment::Environment;
use crate::engine::solution;
use crate::engine::state::State;
use crate::episode::Episode;
use crate::id::{EnvironmentName, TaskName, ToolName};

/// Episodes created in one timed stretch: one alone takes little longer than reading the clock.
const CREATED_PER_SAMPLE: u32 = 100;

/// A task's reference solution with its arguments resolved for seed 0.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) environment: Arc<Environment>,
    pub(super) task: TaskName,
    pub(super) calls: Vec<Call>,
    answer: Option<String>,
}

/// A call of a solution.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) tool: ToolName,
    pub(super) arguments: Map<String, Value>,
    /// Whether it changes the state.
    pub(super) changes: bool,
}

/// The reference solutions of all tasks.
pub(super) fn scripts(environments: &Environments) -> Result<Vec<Script>, Failure> {
    let mut scripts = Vec::new();
    for environment in environments {
        for task in environment.tasks().values() {
            let conditions = solution::conditions(environment, task, 0);
            let played = solution::play(environment, task, &conditions, State::default())
                .map_err(|err| broken(&format!("the solution of {} doesn't run", task.name()), err))?;
            let calls = played.calls.into_iter().map(|call| Call {
                tool: call.tool,
                arguments: call.arguments,
                changes: call.changed,
            });
            scripts.push(Script {
                environment: Arc::clone(environment),
                task: task.name().clone(),
                calls: calls.collect(),
                answer: task.answer().map(str::to_owned),
            });
        }
    }
    if scripts.is_empty() {
        return Err(Failure::usage("the environments have no tasks, whose solutions are what is measured"));
    }
    Ok(scripts)
}

impl Script {
    /// A fresh episode at its task.
    pub(super) fn episode(&self, seed: u64) -> Result<Episode, Failure> {
        let task = Some(self.task.clone());
        Episode::new(Arc::clone(&self.environment), task, seed, None, limits().episode)
            .map_err(|err| broken("an episode can't be created", err))
    }

    /// The reference answer.
    pub(super) fn answer(&self) -> Option<&str> {
        self.answer.as_deref()
    }

    fn name(&self) -> (EnvironmentName, TaskName) {
        (self.environment.name().clone(), self.task.clone())
    }
}

#[derive(Default)]
struct Measured {
    create: Times,
    fork: Times,
    reset: Times,
    reads: BTreeMap<(EnvironmentName, ToolName), Times>,
    writes: BTreeMap<(EnvironmentName, ToolName), Times>,
    verify: BTreeMap<(EnvironmentName, TaskName), Times>,
    verify_first: BTreeMap<(EnvironmentName, TaskName), Times>,
}

/// Plays the solutions over and over, call by call, for as long as there is time.
pub(super) fn rows(scripts: &[Script], measuring: Duration) -> Result<Vec<Row>, Failure> {
    let mut warm_up = Measured::default();
    for script in scripts {
        warm_up.play(script, 0)?;
    }
    let mut measured = Measured::default();
    let started = Instant::now();
    let mut round = 0;
    while round == 0 || started.elapsed() < measuring {
        for script in scripts {
            measured.play(script, 0)?;
            measured.create(script)?;
        }
        round += 1;
        // The expected state of a (task, seed) is computed once, so a first time takes a new seed.
        if round % 10 == 1 {
            for script in scripts {
                let untouched = script.episode(round)?;
                let times = measured.verify_first.entry(script.name()).or_default();
                black_box(times.time(|| untouched.peek_verdict(script.answer.as_deref())));
            }
        }
    }
    Ok(measured.rows())
}

impl Measured {
    fn play(&mut self, script: &Script, seed: u64) -> Result<(), Failure> {
        let mut episode = script.episode(seed)?;
        for call in &script.calls {
            let arguments = call.arguments.clone();
            let by_tool = if call.changes { &mut self.writes } else { &mut self.reads };
            let times = by_tool.entry((script.environment.name().clone(), call.tool.clone())).or_default();
            let observation = times.time(|| episode.call(call.tool.as_ref(), arguments));
            black_box(observation.map_err(|err| broken("a call of a reference solution failed", err))?);
        }
        let mut fork = self.fork.time(|| episode.fork());
        let verify = self.verify.entry(script.name()).or_default();
        let verdict = verify.time(|| fork.verify(script.answer.as_deref()));
        let verdict = verdict.map_err(|err| broken("a reference solution can't be judged", err))?;
        if !verdict.passed {
            return Err(broken("a reference solution earned no reward", &script.task));
        }
        drop(fork);
        if episode.overlay_bytes() > 0 {
            self.reset.time(|| episode.reset());
        }
        Ok(())
    }

    fn create(&mut self, script: &Script) -> Result<(), Failure> {
        let mut episodes = Vec::with_capacity(CREATED_PER_SAMPLE as usize);
        let started = Instant::now();
        for _ in 0..CREATED_PER_SAMPLE {
            episodes.push(script.episode(0)?);
        }
        self.create.record(started.elapsed() / CREATED_PER_SAMPLE);
        black_box(episodes);
        Ok(())
    }

    fn rows(&self) -> Vec<Row> {
        let engine = |name: &str| Row::new(Group::Engine, name);
        let one = |name: &str, times: &Times| engine(name).times(times.p50_us(), times.p99_us());
        let mut rows = vec![
            one("create", &self.create).budget(Budget::P50UsBelow(1.0)),
            one("fork", &self.fork).budget(Budget::P50UsBelow(20.0)),
            one("reset", &self.reset).budget(Budget::P50UsBelow(20.0)),
            typical("typical read", &self.reads).budget(Budget::P50UsBelow(30.0)),
            typical("typical write", &self.writes).budget(Budget::P50UsBelow(40.0)),
            typical("verify", &self.verify).budget(Budget::P50UsBelow(2_000.0)),
            typical("verify, first of its task and seed", &self.verify_first).budget(Budget::P50UsBelow(2_000.0)),
        ];
        let tools = self.reads.iter().chain(&self.writes);
        rows.extend(tools.map(|((environment, tool), times)| {
            Row::new(Group::Tool, format!("{environment}/{tool}")).times(times.p50_us(), times.p99_us())
        }));
        let tasks = self.verify.iter().map(|(name, times)| ("verify", name, times));
        let first = self.verify_first.iter().map(|(name, times)| ("verify first", name, times));
        rows.extend(tasks.chain(first).map(|(what, (environment, task), times)| {
            Row::new(Group::Tool, format!("{what} {environment}/{task}")).times(times.p50_us(), times.p99_us())
        }));
        rows
    }
}

/// The median over tools (or tasks) of each one's median and 99th percentile.
fn typical<K>(name: &str, times: &BTreeMap<K, Times>) -> Row {
    let each = || times.values().filter(|times| !times.is_empty());
    Row::new(Group::Engine, name).times(median(each().map(Times::p50_us)), median(each().map(Times::p99_us)))
}
