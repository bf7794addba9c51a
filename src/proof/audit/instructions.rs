//! How much the instructions of tasks repeat each other.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::report::{AlikeInstructions, Instructions};
use crate::engine::answer::normal;
use crate::engine::environment::Environment;

/// The instructions of an environment as far as a set of environments needs them.
#[derive(Debug, Clone, Default)]
pub(super) struct Sentences {
    /// One for each instruction.
    whole: Vec<u64>,
    /// One for each run of three words.
    trigrams: Vec<u64>,
}

/// Reads them.
pub(super) fn sentences(environment: &Environment) -> Sentences {
    let mut sentences = Sentences::default();
    for task in environment.tasks().values() {
        let text = normal(task.asked());
        sentences.whole.push(hash(&text));
        let words: Vec<&str> = text.split(' ').collect();
        sentences.trigrams.extend(words.windows(3).map(|words| hash(&words)));
    }
    sentences
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Counts over a set.
pub(super) fn count<'s>(all: impl Iterator<Item = &'s Sentences>) -> Instructions {
    let mut counts = Instructions::default();
    let (mut whole, mut trigrams) = (HashSet::<u64>::new(), HashSet::<u64>::new());
    for sentences in all {
        counts.all += sentences.whole.len();
        counts.trigrams += sentences.trigrams.len();
        whole.extend(&sentences.whole);
        trigrams.extend(&sentences.trigrams);
    }
    counts.distinct = whole.len();
    counts.distinct_trigrams = trigrams.len();
    counts
}

/// The two instructions of an environment that are most alike.
pub(super) fn alike(environment: &Environment) -> Option<AlikeInstructions> {
    let tasks: Vec<_> = environment.tasks().values().collect();
    let texts: Vec<Text> = tasks.iter().map(|task| Text::new(task.asked())).collect();
    // Computing a distance takes thousands of times longer than a bound, so the likeliest pairs come first and few are computed.
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for left in 0..texts.len() {
        pairs.extend((left + 1..texts.len()).map(|right| (texts[left].at_most(&texts[right]), left, right)));
    }
    pairs.sort_by(|left, right| right.0.total_cmp(&left.0));
    let mut best: Option<(f64, usize, usize)> = None;
    for (bound, left, right) in pairs {
        if best.is_some_and(|(similarity, ..)| similarity >= bound) {
            break;
        }
        let similarity = strsim::normalized_levenshtein(tasks[left].asked(), tasks[right].asked());
        if best.is_none_or(|(known, ..)| similarity > known) {
            best = Some((similarity, left, right));
        }
    }
    best.map(|(similarity, left, right)| AlikeInstructions {
        tasks: [left, right].map(|task| tasks[task].name().to_string()),
        similarity,
    })
}

/// How often which letter occurs in a text, those beyond ASCII counted together by their last bits.
struct Text {
    length: usize,
    letters: [u16; 128],
}

impl Text {
    fn new(text: &str) -> Self {
        let mut letters = [0_u16; 128];
        for letter in text.chars() {
            let count = &mut letters[letter as usize % 128];
            *count = count.saturating_add(1);
        }
        Self { length: text.chars().count(), letters }
    }

    /// A bound of the similarity: every letter that one has more often than the other takes an edit.
    #[expect(clippy::cast_precision_loss, reason = "instructions are short")]
    fn at_most(&self, other: &Self) -> f64 {
        let more = |left: &Self, right: &Self| -> usize {
            left.letters.iter().zip(&right.letters).map(|(left, right)| usize::from(left.saturating_sub(*right))).sum()
        };
        let longest = self.length.max(other.length).max(1);
        1.0 - more(self, other).max(more(other, self)) as f64 / longest as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_one() {
        let texts = ["Cancel my order", "Cancel my orders, both", "What is due?", "", "Größe: 3 m", "ordre ym lecnaC"];
        for left in texts {
            for right in texts {
                let bound = Text::new(left).at_most(&Text::new(right));
                assert!(strsim::normalized_levenshtein(left, right) <= bound + 1e-9, "{left:?} {right:?}");
            }
        }
    }
}
