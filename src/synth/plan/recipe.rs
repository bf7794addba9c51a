//! What kinds of tasks an environment has: how many parts, how many calls, whether something is asked.

use super::super::rng::Rng;
use super::TASKS;

/// What a task comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GoalKind {
    /// Something changes.
    Change,
    /// Nothing changes and something is asked.
    Question,
    /// Nothing may change, since a rule forbids it, and the reason is asked for.
    Refusal,
}

impl GoalKind {
    /// As files write it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Question => "question",
            Self::Refusal => "refusal",
        }
    }
}

/// What one task should be like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub kind: GoalKind,
    /// From how many to how many intents.
    pub parts: (usize, usize),
    /// From how many to how many calls.
    pub calls: (usize, usize),
    /// Whether an answer is judged; either where absent.
    pub answer: Option<bool>,
}

impl Recipe {
    /// What an environment gets in its place where the data has none of it.
    pub(super) fn eased(self) -> Self {
        match self.kind {
            GoalKind::Refusal => Self { kind: GoalKind::Question, parts: (1, 2), calls: (1, 9), answer: Some(true) },
            GoalKind::Question => Self { kind: GoalKind::Change, parts: (1, 2), calls: (2, 9), answer: Some(true) },
            GoalKind::Change => Self { parts: (1, self.parts.1), calls: (2, self.calls.1), answer: None, ..self },
        }
    }
}

/// Share of environments with a second refusal: with one for each, between 10 and 15 % of all tasks.
const SECOND_REFUSAL: f64 = 0.3;

/// The recipes of an environment's tasks, easy ones first.
pub(super) fn recipes(rng: &mut Rng) -> [Recipe; TASKS] {
    let change = |parts, calls, answer| Recipe { kind: GoalKind::Change, parts, calls, answer };
    let refusal = Recipe { kind: GoalKind::Refusal, parts: (1, 1), calls: (1, 8), answer: Some(true) };
    let question = Recipe { kind: GoalKind::Question, parts: (1, 2), calls: (2, 9), answer: Some(true) };
    let second = if rng.chance(SECOND_REFUSAL) { refusal } else { change((1, 2), (3, 6), Some(false)) };
    let asked = Some(rng.chance(0.35));
    [
        change((1, 1), (2, 4), Some(false)),
        second,
        question,
        refusal,
        change((2, 2), (5, 8), Some(false)),
        change((2, 2), (5, 9), Some(true)),
        change((2, 3), (7, 10), Some(false)),
        change((3, 3), (9, 12), Some(false)),
        change((3, 4), (10, 12), asked),
        change((3, 4), (11, 13), Some(false)),
    ]
}
