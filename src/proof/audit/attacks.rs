//! Attempts to earn a reward without the work: by agents that do nothing, that only look, that do anything, and that answer with
//! everything there is.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::answer::ANSWER_LENGTH_MAX;
use crate::engine::environment::Environment;
use crate::engine::solution::plain;
use crate::engine::state::State;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::ExpectFile;
use crate::proof::task_gates::Gates;
use crate::proof::walk::{Random, Walk};

/// Fewest values beyond those asked for that make a dump; with fewer it is an answer with what stands around it.
const DUMP_VALUES_MIN: usize = 8;

/// Of how many agents that guess among what they have seen one may be lucky on a task.
const LUCKY_ONE_IN: u64 = 4;

/// A way to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// Does nothing where something should change: no answer, every stock answer, the right answer.
    NothingForChange,
    /// Does nothing where a question is asked: no answer, every stock answer.
    NothingForQuestion,
    /// Makes random reads and gives a stock answer.
    ReadOnlyStock,
    /// Where something should change: makes random reads and answers with a value they showed.
    ReadOnlySeen,
    /// Where a question is asked: the same, which is a guess among some hundred values and may be lucky.
    ReadOnlyGuess,
    /// Makes random calls, writes too, and answers with a value they showed.
    Random,
    /// Answers with everything that was seen: by an agent that did the work, and by one that made random reads.
    DumpSeen,
    /// The same within the length that is judged.
    DumpSeenShort,
    /// Does the work and answers with every value of the database.
    DumpDatabase,
    /// The same within the length that is judged.
    DumpDatabaseShort,
}

impl Attack {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 10] = [
        Self::NothingForChange,
        Self::NothingForQuestion,
        Self::ReadOnlyStock,
        Self::ReadOnlySeen,
        Self::ReadOnlyGuess,
        Self::Random,
        Self::DumpSeen,
        Self::DumpSeenShort,
        Self::DumpDatabase,
        Self::DumpDatabaseShort,
    ];

    /// What the agent does, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NothingForChange => "do nothing, change asked for",
            Self::NothingForQuestion => "do nothing, question asked",
            Self::ReadOnlyStock => "random reads and a stock answer",
            Self::ReadOnlySeen => "random reads and a value seen, change asked for",
            Self::ReadOnlyGuess => "random reads and a value seen, question asked",
            Self::Random => "random calls and a value seen",
            Self::DumpSeen => "dump of all seen, any length",
            Self::DumpSeenShort => "dump of all seen, 300 characters",
            Self::DumpDatabase => "dump of the database, any length",
            Self::DumpDatabaseShort => "dump of the database, 300 characters",
        }
    }
}

/// How attempts of one kind fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tried {
    /// Attempts.
    pub attempts: u64,
    /// Earned the reward.
    pub passes: u64,
    /// Earned nothing because of the final state.
    pub wrong_state: u64,
    /// Earned nothing because of the answer alone.
    pub wrong_answer: u64,
}

impl std::ops::AddAssign for Tried {
    fn add_assign(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.passes += other.passes;
        self.wrong_state += other.wrong_state;
        self.wrong_answer += other.wrong_answer;
    }
}

/// Attacks on the tasks of one environment.
#[derive(Debug, Default)]
pub(super) struct Attacks {
    /// How they fared.
    pub tried: BTreeMap<Attack, Tried>,
    /// Those that earned a reward, one for each task and attack.
    pub findings: Vec<Diagnostic>,
    found: BTreeSet<(String, Attack)>,
}

impl Attacks {
    /// Attacks a task, as `seeds` agents that act at random and as those that don't.
    pub(super) fn attack(&mut self, environment: &Environment, gates: &Gates<'_>, walk: &Walk, seeds: u64) {
        let untouched = gates.state_passes(&State::default());
        self.nothing(gates, untouched);
        let mut lucky = 0;
        for seed in 0..seeds {
            // Other agents for other tasks: the name tells them apart.
            let name = gates.task.name().as_ref().bytes();
            let seed = name.fold(seed + 1, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
            let mut random = Random::new(seed);
            let reader = walk.wander(environment, &gates.conditions, seed, true);
            let state = if reader.state.commits == 0 { untouched } else { gates.state_passes(&reader.state) };
            let stock: Vec<&String> = gates.stock().iter().collect();
            self.attempt(gates, Attack::ReadOnlyStock, state, random.pick(&stock).map(|answer| answer.as_str()));
            let seen = texts(&reader.seen);
            let guess = if gates.changes_state() { Attack::ReadOnlySeen } else { Attack::ReadOnlyGuess };
            if self.attempt(gates, guess, state, random.pick(&seen).map(String::as_str)) {
                lucky += 1;
            }
            if gates.task.has_answer() {
                self.dump(gates, (Attack::DumpSeen, Attack::DumpSeenShort), state, &seen);
            }
            let anything = walk.wander(environment, &gates.conditions, seed, false);
            let state = gates.state_passes(&anything.state);
            let seen = texts(&anything.seen);
            self.attempt(gates, Attack::Random, state, random.pick(&seen).map(String::as_str));
        }
        if lucky * LUCKY_ONE_IN > seeds {
            let message = format!("{lucky} of {seeds} agents guessed the answer among the values they had seen");
            self.findings.push(gates.finding(Code::AttackRewarded, message));
        }
        if gates.task.has_answer() {
            let seen: Vec<Value> = gates.played.observed().into_iter().map(|(_, value)| value).collect();
            self.dump(gates, (Attack::DumpSeen, Attack::DumpSeenShort), true, &texts(&seen));
            self.dump(gates, (Attack::DumpDatabase, Attack::DumpDatabaseShort), true, gates.values());
        }
    }

    fn nothing(&mut self, gates: &Gates<'_>, untouched: bool) {
        let changes = gates.changes_state();
        let attack = if changes { Attack::NothingForChange } else { Attack::NothingForQuestion };
        self.attempt(gates, attack, untouched, None);
        if !gates.task.has_answer() {
            return;
        }
        for answer in gates.stock() {
            self.attempt(gates, attack, untouched, Some(answer));
        }
        if changes {
            self.attempt(gates, attack, untouched, gates.task.answer());
        }
    }

    /// Everything, and as much of it as is judged: from its beginning, from its end, and spread over it.
    fn dump(&mut self, gates: &Gates<'_>, (whole, short): (Attack, Attack), state: bool, values: &[String]) {
        let wanted = gates.task.expects().iter().map(|expect| match expect {
            ExpectFile::Set(members) => members.len(),
            _ => 1,
        });
        if values.len() < DUMP_VALUES_MIN + wanted.sum::<usize>() {
            return;
        }
        self.attempt(gates, whole, state, Some(&values.join(", ")));
        let stride = values.len().div_ceil(ANSWER_LENGTH_MAX / 10).max(1);
        let first = fitting(values.iter());
        let mut last = fitting(values.iter().rev());
        last.reverse();
        let spread = fitting(values.iter().step_by(stride));
        for part in [first, last, spread] {
            self.attempt(gates, short, state, Some(&part.join(", ")));
        }
    }

    /// Whether it earns the reward.
    fn attempt(&mut self, gates: &Gates<'_>, attack: Attack, state_passes: bool, answer: Option<&str>) -> bool {
        let tried = self.tried.entry(attack).or_default();
        tried.attempts += 1;
        if !state_passes {
            tried.wrong_state += 1;
        } else if gates.answer_passes(answer) {
            tried.passes += 1;
            self.report(gates, attack, answer);
            return true;
        } else {
            tried.wrong_answer += 1;
        }
        false
    }

    fn report(&mut self, gates: &Gates<'_>, attack: Attack, answer: Option<&str>) {
        // Doing nothing is what the gates of every task report.
        let nothing = matches!(attack, Attack::NothingForChange | Attack::NothingForQuestion);
        // And a lucky guess is none of the task's faults.
        let reported = nothing || matches!(attack, Attack::ReadOnlyGuess | Attack::Random);
        if reported || !self.found.insert((gates.task.name().to_string(), attack)) {
            return;
        }
        let answered = answer.map(|answer| format!(" (answer {answer:?})")).unwrap_or_default();
        self.findings
            .push(gates.finding(Code::AttackRewarded, format!("{} earns the reward{answered}", attack.name())));
    }
}

/// Values as texts, each once. Nothing and truth values are no answers.
fn texts(values: &[Value]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let told =
        values.iter().filter(|value| value.is_number() || value.as_str().is_some_and(|text| !text.trim().is_empty()));
    told.map(plain).filter(|text| seen.insert(text.clone())).collect()
}

/// The first of these that fit into what is judged.
fn fitting<'v>(values: impl Iterator<Item = &'v String>) -> Vec<&'v str> {
    let mut length = 0;
    let mut fitting = Vec::new();
    for value in values {
        let more = value.chars().count() + 2;
        if length + more > ANSWER_LENGTH_MAX {
            break;
        }
        length += more;
        fitting.push(value.as_str());
    }
    fitting
}
