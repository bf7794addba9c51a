//! The words of generated tasks: how values are written, and how clauses become an instruction that a person could have said.

pub(crate) mod nouns;

mod body;
mod clause;
mod fillers;
mod frames;
mod slots;
mod voices;

pub(crate) use self::slots::{Formats, format_slot};

use self::clause::{Piece, is_conditional, tidy_act, tidy_ask};
use super::rng::Rng;

/// What an instruction says of one intent; the slots of all texts are filled.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Part {
    /// What to do: an imperative clause without a period, as in `cancel my table at Luna on March 14`.
    pub do_clause: Option<String>,
    /// What to answer: a wh-clause, as in `how much the deposit was, in dollars`. It is always said where there is one.
    pub ask_clause: Option<String>,
    /// What to do where that can't be done: a sentence.
    pub otherwise: Option<String>,
    /// All of the above as a whole request in somebody's voice; taken where the part is the first, or has nothing else.
    pub say: Option<String>,
    /// Whether an answer is wanted, be it asked for by `ask_clause`, `otherwise` or `say`: nobody then adds that a short
    /// confirmation is enough.
    pub answer_is_asked: bool,
}

/// Who is speaking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Speaker {
    /// The person who acts. `I` and `my` in every text mean this person, in quoted messages too.
    pub actor_name: String,
    /// Somebody who may pass a message on; best a name that no row has.
    pub other_name: String,
}

/// One instruction of several parts, in their order, in one of many registers.
pub(crate) fn compose(parts: &[Part], context: &Speaker, rng: &mut Rng) -> String {
    let story = Story::of(parts);
    frames::render(&story, context, rng)
}

/// What is to be said, without how.
#[derive(Debug)]
struct Story<'p> {
    /// A request in words of its own, said first.
    said: Option<&'p str>,
    /// What comes after that, in order.
    pieces: Vec<Piece<'p>>,
    /// Whether an answer is wanted.
    answer_is_asked: bool,
}

impl<'p> Story<'p> {
    /// What these parts want said.
    fn of(parts: &'p [Part]) -> Self {
        let filled = |text: &'p Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let said = parts.first().and_then(|part| filled(&part.say));
        let rest = if said.is_some() { &parts[1..] } else { parts };
        let piece = |part: &'p Part| {
            let act = filled(&part.do_clause).map(tidy_act);
            let ask = filled(&part.ask_clause).map(tidy_ask);
            let otherwise = filled(&part.otherwise);
            let bare = act.is_none() && ask.is_none();
            Piece { act, ask, otherwise, said: filled(&part.say).filter(|_| bare) }
        };
        let pieces = rest.iter().map(piece).filter(|piece| !piece.is_empty()).collect();
        let answer_is_asked = parts.iter().any(|part| part.answer_is_asked || filled(&part.ask_clause).is_some());
        Self { said, pieces, answer_is_asked }
    }

    /// Whether what was said in somebody's own words ends in a condition, on which nothing after it hangs.
    fn said_is_conditional(&self) -> bool {
        self.said.is_some_and(is_conditional)
    }

    /// Whether a request comes first.
    fn begins_with_act(&self) -> bool {
        self.said.is_some() || self.pieces.first().is_some_and(|piece| piece.act.is_some())
    }

    /// Whether there is anything but questions.
    fn has_acts(&self) -> bool {
        self.said.is_some() || self.pieces.iter().any(|piece| piece.act.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::voices::{ADDED, FORMAL, FRIENDLY, HURRIED, MANAGER, SORRY, SPOKEN, TERSE};
    use super::*;
    use crate::engine::answer::{facts, normal};

    /// A part of clauses, none where a text is empty.
    fn part(act: &str, ask: &str, otherwise: &str, say: &str) -> Part {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Part {
            do_clause: given(act),
            ask_clause: given(ask),
            otherwise: given(otherwise),
            say: given(say),
            answer_is_asked: !ask.is_empty(),
        }
    }

    fn pool() -> Vec<Part> {
        let late = "If it's too late to cancel, leave it as it is and give me the phone number.";
        vec![
            part("cancel my table at Luna on March 14, our plans have changed", "", late, ""),
            part(
                "book a table for 4 at Casa Verdana on 2026-03-20 at 19:00",
                "",
                "",
                "A table for 4 at Casa Verdana, please.",
            ),
            part("", "how much the deposit for my next dinner at Olmo is, in dollars", "", ""),
            part("add the oak desk lamp to my cart", "what the cart comes to then, in dollars", "", ""),
            part("if the blue mug is sold out, put the gray mug on my wishlist", "", "", ""),
            part("move what is open in sprint 14 to sprint 15", "how many points sprint 15 has then", "", ""),
            part("assign the bug \"CSV export fails\" to Chloe Martin", "", "If Chloe has 5 open issues, don't.", ""),
            part("don't pay the invoice INV-0042 before March 20, put it on hold", "", "", ""),
            part("transfer $84.50 from my everyday account to Marta", "", "", "Can you send Marta $84.50?"),
            part("", "which of my saved routes is the shortest", "", ""),
            part(
                "please send reminders for all invoices of Marlow & Co.",
                "tell me their numbers, in any order?",
                "",
                "",
            ),
            part("delete the note that says \"Call back.\"", "", "", ""),
            part("mark order R-KX12P as picked up", "", "", ""),
            part("rename the playlist Morning Run to Slow Mornings", "", "", ""),
        ]
    }

    fn speaker() -> Speaker {
        Speaker { actor_name: "Ana Carvalho".to_owned(), other_name: "Tomasz Nowak".to_owned() }
    }

    /// Some parts of the pool, in random order.
    fn some_parts(rng: &mut Rng) -> Vec<Part> {
        let mut parts = pool();
        rng.shuffle(&mut parts);
        parts.truncate(1 + rng.below(4));
        parts
    }

    #[test]
    fn an_instruction_says_all_of_its_parts_in_order_and_no_other_fact() {
        for seed in 0..3000 {
            let mut rng = Rng::new(seed);
            let parts = some_parts(&mut rng);
            let text = compose(&parts, &speaker(), &mut rng);
            let story = Story::of(&parts);
            let pieces = story.pieces.iter().flat_map(|piece| [piece.act, piece.ask, piece.otherwise]).flatten();
            let mut said = Vec::new();
            let mut from = 0;
            for clause in story.said.into_iter().chain(pieces) {
                // All but the first letter, which may have become a capital.
                let found = text[from..].find(&clause[1..]);
                assert!(found.is_some(), "{clause:?} isn't in its place in: {text}");
                from += found.unwrap_or_default();
                said.push(clause);
            }
            let (wanted, found) = (facts(&said.join("\n")), facts(&text));
            assert_eq!(wanted, found, "{text}");
        }
    }

    #[test]
    fn an_instruction_reads_as_if_written_by_hand() {
        let wrong = ["..", "?.", ".?", "!.", "  ", " .", " ,", ",,", "{", "}", "\n\n\n"];
        let twice = [
            "tell me tell",
            "please please",
            "then then",
            "also also",
            "and and",
            "to don't",
            "you don't pay",
            "to if",
            "you if",
        ];
        for seed in 0..3000 {
            let mut rng = Rng::new(seed);
            let text = compose(&some_parts(&mut rng), &speaker(), &mut rng);
            let lower = text.to_lowercase();
            assert!(!wrong.iter().any(|wrong| text.contains(wrong)), "{text}");
            assert!(!twice.iter().any(|twice| lower.contains(twice)), "{text}");
            assert_eq!(text.trim(), text);
        }
    }

    #[test]
    fn the_same_parts_are_said_in_many_ways() {
        let parts = [pool()[0].clone(), pool()[3].clone()];
        let told = |seed| compose(&parts, &speaker(), &mut Rng::new(seed));
        assert!((0..500).map(told).collect::<HashSet<_>>().len() > 400);
        assert_eq!(told(7), told(7));
    }

    #[test]
    fn nothing_that_is_said_around_a_request_could_change_it() {
        let mut texts: BTreeSet<&str> = fillers::ALL.iter().flat_map(|list| list.iter().copied()).collect();
        assert!(texts.len() > 100);
        for voice in [TERSE, FRIENDLY, FORMAL, HURRIED, MANAGER, SPOKEN, SORRY, ADDED] {
            let lists = [voice.acts, voice.next_acts, voice.apart_acts, voice.asks, voice.own_asks];
            let more = [voice.next_asks, voice.end_asks, voice.apart_asks, voice.tells];
            texts.extend(lists.iter().chain(&more).flat_map(|list| list.iter().copied()));
        }
        let times = "first second third last today tomorrow yesterday tonight week month year monday tuesday wednesday thursday \
                     friday saturday sunday january february march april may june july august september october november \
                     december urgent asap both twice half dozen none nothing cancel dollars";
        for text in texts {
            assert_eq!(facts(text), facts(""), "{text}");
            assert!(!text.contains(|letter: char| letter.is_ascii_digit()), "{text}");
            let words = normal(text);
            let bad = words.split(' ').find(|word| times.split_whitespace().any(|time| time == *word));
            assert!(bad.is_none_or(|word| word == "nothing"), "{bad:?} in {text}");
        }
    }

    #[test]
    fn what_hangs_on_no_condition_does_not_sound_as_if_it_did() {
        let parts = [pool()[0].clone(), pool()[13].clone()];
        for seed in 0..300 {
            let text = compose(&parts, &speaker(), &mut Rng::new(seed));
            for after in ["number. Then", "number. then", "number. After", "number. Rename", "number. and then"] {
                assert!(!text.contains(after), "{text}");
            }
        }
    }

    #[test]
    fn names_are_left_out_where_they_would_confuse() {
        let same = Speaker { actor_name: "Ana Carvalho".to_owned(), other_name: "Ana Pinto".to_owned() };
        for seed in 0..300 {
            let text = compose(&pool()[..2], &same, &mut Rng::new(seed));
            assert!(!text.contains("Ana is driving") && !text.contains("Pinto"), "{text}");
        }
        let nobody = Speaker { actor_name: String::new(), other_name: String::new() };
        assert!(!compose(&[], &nobody, &mut Rng::new(1)).contains('{'));
    }
}
