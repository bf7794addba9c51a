//! Sentences from clauses: every piece in its order, with words between them that say what belongs together.

use std::collections::HashSet;

use super::Story;
use super::clause::{Clause, Piece, Start, ends_sentence, is_simple, start};
use super::nouns::sentence_case;
use super::voices::Voice;
use crate::synth::rng::Rng;

/// Most requests in one sentence.
const JOINED_MAX: usize = 3;

/// Longest sentence that another request or question is still joined to, in characters.
const JOINED_LENGTH_MAX: usize = 170;

/// How often short requests share a sentence, and a question the sentence of its request.
const JOINING: f64 = 0.5;

/// How often the last question comes with `at the end`.
const ENDING: f64 = 0.5;

/// Sentences that begin with a word of this list lose nothing without their capital.
const OPENING_WORDS: &[&str] = &[
    "If",
    "In",
    "Should",
    "Otherwise",
    "When",
    "Unless",
    "Where",
    "But",
    "Only",
    "Leave",
    "Just",
    "Don't",
    "Do",
    "As",
];

/// Sentence templates that were used, so that none comes twice while others are left.
#[derive(Debug, Default)]
pub(super) struct Deck {
    used: HashSet<String>,
    /// The request that somebody put in words of their own, in lower case.
    said: String,
    /// How the last sentence began.
    beginning: String,
}

impl Deck {
    /// A template that fits the clause; one that begins unlike the last, where there is a choice.
    fn choose(&mut self, options: &[&'static str], clause: &Clause, rng: &mut Rng) -> &'static str {
        let fitting: Vec<&'static str> = options.iter().copied().filter(|option| fits(option, clause)).collect();
        let narrowed = |choices: Vec<&'static str>, good: &dyn Fn(&str) -> bool| {
            let good: Vec<&'static str> = choices.iter().copied().filter(|option| good(option)).collect();
            if good.is_empty() { choices } else { good }
        };
        let choices = narrowed(fitting, &|option| {
            let lead = lead(option);
            !(self.used.contains(&lead) || lead.len() > 4 && self.said.contains(&lead))
        });
        let choices = narrowed(choices, &|option| beginning(option) != self.beginning);
        let chosen = rng.pick(&choices).copied().unwrap_or("{}.");
        self.used.insert(lead(chosen));
        self.beginning = beginning(chosen);
        chosen
    }
}

/// What a template has before its clause, up to a comma, in lower case: `either way`.
fn lead(template: &str) -> String {
    let before = template.split_once("{}").map_or("", |(before, _)| before);
    before.split(',').next().unwrap_or_default().trim().to_lowercase()
}

/// The word a template begins with, past an `and`.
fn beginning(template: &str) -> String {
    let lower = template.to_lowercase();
    let words = lower.trim_start_matches("oh, ").trim_start_matches("and ");
    words.split([' ', ',']).next().unwrap_or_default().to_owned()
}

/// What stood before a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Nothing,
    /// Something on which this may follow.
    Part,
    /// Something with a condition, on which this doesn't hang.
    Condition,
}

/// The sentences of a story, those of one piece together; the words somebody said come first.
pub(super) fn paragraphs(story: &Story<'_>, voice: &Voice, rng: &mut Rng) -> Vec<String> {
    let mut deck = Deck { said: story.said.unwrap_or_default().to_lowercase(), ..Deck::default() };
    let mut paragraphs: Vec<String> = story.said.map(str::to_owned).into_iter().collect();
    let mut before = match story.said {
        None => Before::Nothing,
        Some(_) if story.said_is_conditional() => Before::Condition,
        Some(_) => Before::Part,
    };
    let mut rest = story.pieces.as_slice();
    let requests = rest.iter().filter(|piece| piece.act.is_some()).count();
    while let Some(first) = rest.first() {
        let (text, taken) = match (first.act, first.ask) {
            (Some(_), _) => request(rest, before, requests > 1, voice, &mut deck, rng),
            (None, Some(_)) => question(rest, before, requests > 0, voice, &mut deck, rng),
            (None, None) => ([first.said, first.otherwise].into_iter().flatten().collect::<Vec<_>>().join(" "), 1),
        };
        let conditional = rest[..taken].iter().any(Piece::is_conditional);
        before = if conditional { Before::Condition } else { Before::Part };
        rest = &rest[taken..];
        paragraphs.push(text);
    }
    paragraphs
}

/// The sentences of the request that `rest` begins with, and of those that share its sentence; how many pieces it took.
fn request(
    rest: &[Piece<'_>],
    before: Before,
    several: bool,
    voice: &Voice,
    deck: &mut Deck,
    rng: &mut Rng,
) -> (String, usize) {
    let taken =
        1 + (1..rest.len().min(JOINED_MAX)).take_while(|next| joins(&rest[..=*next]) && rng.chance(JOINING)).count();
    let acts: Vec<&str> = rest[..taken].iter().filter_map(|piece| piece.act).collect();
    let last = rest[taken - 1];
    let mut clause = Clause::act(acts.first().copied().unwrap_or_default());
    clause.text = joined(&acts);
    clause.simple = acts.iter().all(|act| is_simple(act)) && clause.text.chars().count() <= JOINED_LENGTH_MAX;
    let mut ask = last.ask;
    if let Some(asked) = ask.filter(|_| clause.simple && clause.start == Start::Verb && rng.chance(JOINING)) {
        let tell = rng.pick(voice.tells).copied().unwrap_or("tell me");
        let and = if clause.text.contains(" and ") { ", and" } else { " and" };
        clause.text = format!("{}{and} {tell} {asked}", clause.text);
        clause.simple = Clause::ask(asked).simple;
        ask = None;
    }
    let templates = match before {
        Before::Nothing => voice.acts,
        Before::Part => voice.next_acts,
        Before::Condition => voice.apart_acts,
    };
    let mut sentences = vec![fill(deck.choose(templates, &clause, rng), &clause.text, voice.capitals)];
    if let Some(ask) = ask {
        let asked = Clause::ask(ask);
        // `At the end` only where nothing is left to do, so that it can't move the question behind another request.
        let ends = several && taken == rest.len() && last.otherwise.is_none() && rng.chance(ENDING);
        let templates = if ends { voice.end_asks } else { voice.own_asks };
        sentences.push(fill(deck.choose(templates, &asked, rng), ask, voice.capitals));
    }
    sentences.extend(last.otherwise.map(|otherwise| cased(otherwise, voice)));
    (sentences.join(" "), taken)
}

/// The sentences of the question that `rest` begins with; how many pieces it took.
fn question(
    rest: &[Piece<'_>],
    before: Before,
    follows_requests: bool,
    voice: &Voice,
    deck: &mut Deck,
    rng: &mut Rng,
) -> (String, usize) {
    let first = rest[0];
    let mut clause = Clause::ask(first.ask.unwrap_or_default());
    let mut last = first;
    let mut taken = 1;
    let second = rest.get(1).filter(|next| next.act.is_none() && first.otherwise.is_none() && clause.simple);
    if let Some((next, ask)) = second.and_then(|next| next.ask.map(|ask| (next, ask))) {
        let text = format!("{}, and {ask}", clause.text);
        if text.chars().count() <= JOINED_LENGTH_MAX && rng.chance(JOINING) {
            clause = Clause { text, simple: Clause::ask(ask).simple, ..clause };
            (last, taken) = (*next, 2);
        }
    }
    let ends = follows_requests && before == Before::Part && taken == rest.len() && last.otherwise.is_none();
    let templates = match before {
        Before::Nothing => voice.asks,
        Before::Condition => voice.apart_asks,
        Before::Part if ends && rng.chance(ENDING) => voice.end_asks,
        Before::Part => voice.next_asks,
    };
    let mut sentences = vec![fill(deck.choose(templates, &clause, rng), &clause.text, voice.capitals)];
    sentences.extend(last.otherwise.map(|otherwise| cased(otherwise, voice)));
    (sentences.join(" "), taken)
}

/// Whether the last of these pieces can share the sentence of those before it.
fn joins(pieces: &[Piece<'_>]) -> bool {
    let [before @ .., last] = pieces else { return false };
    let open = before.iter().all(|piece| {
        piece.ask.is_none()
            && piece.otherwise.is_none()
            && piece.act.is_some_and(|act| is_simple(act) && start(act) == Start::Verb)
    });
    let length: usize = pieces.iter().filter_map(|piece| piece.act).map(|act| act.chars().count()).sum();
    open && last.act.is_some_and(|act| start(act) == Start::Verb) && length <= JOINED_LENGTH_MAX
}

/// Requests as one clause.
fn joined(acts: &[&str]) -> String {
    match acts {
        [one, two] => format!("{one}{} then {two}", if one.contains(" and ") { ", and" } else { " and" }),
        [one, two, three] => format!("{one}, then {two}, and then {three}"),
        acts => acts.join(" "),
    }
}

/// Whether a template can hold a clause.
fn fits(template: &str, clause: &Clause) -> bool {
    let (before, after) = template.split_once("{}").unwrap_or((template, ""));
    let roomy = match after {
        "." => true,
        "?" => clause.simple,
        // Words behind a clause would hang on its last part: `in dollars as well`.
        _ => clause.simple && !clause.text.contains(','),
    };
    let lower = before.to_lowercase();
    let leads = match clause.start {
        Start::Verb => true,
        Start::Prohibition => lower.ends_with("please ") || lower.ends_with("pls "),
        Start::Other => false,
    };
    // Nothing, `Also: ` or `Either way, ` may stand before any clause.
    let leads = leads || before.is_empty() || before.ends_with(", ") || before.ends_with(": ");
    // `Then tell me how much is left then.`
    let echoes = clause.text.ends_with(" then") && lower.split([' ', ',']).any(|word| word == "then");
    let wants_question = ["wondering ", "ask ", "work out "].iter().any(|end| lower.ends_with(end));
    roomy && leads && !echoes && !(clause.names_thing && wants_question)
}

/// A sentence from a template and a clause.
pub(super) fn fill(template: &str, clause: &str, capitals: bool) -> String {
    let (before, after) = template.split_once("{}").unwrap_or((template, ""));
    let after = if after == "." && ends_sentence(clause) { "" } else { after };
    let clause = if before.is_empty() && capitals { sentence_case(clause) } else { clause.to_owned() };
    format!("{before}{clause}{after}")
}

/// A sentence as the voice begins its sentences.
fn cased(sentence: &str, voice: &Voice) -> String {
    let first = sentence.split([' ', ',']).next().unwrap_or_default();
    let sentence = if !voice.capitals && OPENING_WORDS.contains(&first) {
        sentence[..1].to_lowercase() + &sentence[1..]
    } else {
        sentence.to_owned()
    };
    if ends_sentence(&sentence) { sentence } else { sentence + "." }
}

/// The items of a list: one or two for every piece, without words between them.
pub(super) fn items(story: &Story<'_>, rng: &mut Rng) -> Vec<String> {
    let only_questions = !story.has_acts();
    let mut items = Vec::new();
    for piece in &story.pieces {
        let act = piece.act.map(|act| fill("{}.", act, true));
        let lead = if only_questions { "{}." } else { "Tell me {}." };
        let ask = piece.ask.map(|ask| fill(lead, ask, true));
        let otherwise = piece.otherwise.or(piece.said).map(str::to_owned);
        // What to do otherwise stands directly after all of its part.
        let apart = act.is_some() && ask.is_some() && otherwise.is_none() && rng.chance(JOINING);
        if apart {
            items.extend(act.into_iter().chain(ask));
        } else {
            let whole: Vec<String> = [act, ask, otherwise].into_iter().flatten().collect();
            items.push(whole.join(" "));
        }
    }
    items
}
