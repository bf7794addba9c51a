//! Texts to call tools with: dates and times, texts that match a pattern, invented ones.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

use super::guide::TextShape;
use super::random::Random;
use crate::clock;

/// Milliseconds in a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// How far dates are moved, in days: those near a rule's limits.
pub(super) const DAYS: &[i64] = &[
    -400, -366, -365, -180, -90, -60, -32, -31, -30, -15, -14, -8, -7, -6, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 13,
    14, 15, 21, 27, 28, 29, 30, 31, 32, 60, 61, 90, 91, 180, 364, 365, 366, 400, 730,
];

/// The number without its fraction.
#[expect(clippy::cast_possible_truncation, reason = "saturates, which is near enough for a candidate")]
pub(super) fn whole(number: f64) -> i64 {
    number as i64
}

/// A date, month or timestamp at its start, in Unix milliseconds.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    match text.len() {
        7 => clock::parse(&format!("{text}-01T00:00:00Z")),
        10 => clock::parse(&format!("{text}T00:00:00Z")),
        16 => clock::parse(&format!("{}:00Z", text.replace(' ', "T"))),
        20 => clock::parse(text),
        _ => None,
    }
}

/// A point in time as an input of this shape takes it.
pub(super) fn write_time(ms: i64, shape: TextShape) -> String {
    let text = clock::format(ms);
    let part = match shape {
        TextShape::Date => text.get(..10),
        TextShape::Month => text.get(..7),
        TextShape::Time => text.get(11..16),
        TextShape::Timestamp | TextShape::Free | TextShape::Search => Some(text.as_str()),
    };
    part.unwrap_or(&text).to_owned()
}

/// Numbers, dates and words in quotes that a message mentions.
pub(super) fn mentioned(message: &str) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    for word in message.split(|next: char| !(next.is_alphanumeric() || next == '-')) {
        let word = word.trim_matches('-');
        if let Ok(number) = word.parse::<i64>() {
            found.push(number.into());
        } else if parse_time(word).is_some() {
            found.push(word.into());
        }
    }
    found
}

/// A text that says little.
pub(super) fn invented(random: &mut Random) -> String {
    const WORDS: &[&str] = &["Plain", "Second", "Harbour", "Quiet", "Spare", "Copper", "Early", "Window"];
    let first = random.pick(WORDS).copied().unwrap_or_default();
    let second = random.pick(WORDS).copied().unwrap_or_default().to_lowercase();
    format!("{first} {second} {}", random.below(1_000))
}

/// The same text, written otherwise.
pub(super) fn varied(text: &str, random: &mut Random) -> String {
    match random.below(5) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        2 => format!(" {text} "),
        3 => format!("{text} 2"),
        _ => text.chars().take(text.chars().count() / 2).collect(),
    }
}

/// A text that matches a pattern, for patterns made of literals, classes, groups and repetitions.
pub(super) fn matching(pattern: &Regex, random: &mut Random) -> Option<String> {
    const TRIES: usize = 4;
    for _ in 0..TRIES {
        let mut text = String::new();
        let mut rest = pattern.as_str().chars().peekable();
        alternatives(&mut rest, random, Some(&mut text));
        if pattern.is_match(&text) {
            return Some(text);
        }
    }
    None
}

/// Writes one of the alternatives up to the end of the group; without `out` only reads them.
fn alternatives(rest: &mut Peekable<Chars<'_>>, random: &mut Random, out: Option<&mut String>) {
    let mut choices = vec![String::new()];
    loop {
        let mut choice = String::new();
        sequence(rest, random, &mut choice);
        choices.push(choice);
        if rest.next_if_eq(&'|').is_none() {
            break;
        }
    }
    choices.remove(0);
    if let (Some(out), Some(choice)) = (out, random.pick(&choices)) {
        out.push_str(choice);
    }
}

fn sequence(rest: &mut Peekable<Chars<'_>>, random: &mut Random, out: &mut String) {
    while let Some(next) = rest.peek().copied() {
        if next == '|' || next == ')' {
            return;
        }
        // An atom is read as often as it is repeated, each time from the same place.
        let start = rest.clone();
        let mut text = String::new();
        atom(rest, random, &mut text);
        let (least, most) = repetition(rest);
        let times = least + random.below(most.saturating_sub(least) + 1);
        if times > 0 {
            out.push_str(&text);
        }
        for _ in 1..times {
            let mut again = start.clone();
            atom(&mut again, random, out);
        }
    }
}

fn atom(rest: &mut Peekable<Chars<'_>>, random: &mut Random, out: &mut String) {
    match rest.next() {
        Some('^' | '$') | None => {}
        Some('(') => {
            if rest.next_if_eq(&'?').is_some() {
                rest.next();
            }
            alternatives(rest, random, Some(out));
            rest.next_if_eq(&')');
        }
        Some('[') => out.extend(class(rest, random)),
        Some('\\') => match rest.next() {
            Some('d') => out.extend(random.pick(&['0', '1', '4', '7', '9'])),
            Some('w') => out.extend(random.pick(&['a', 'k', 'z', 'Q', '3'])),
            Some('S') => out.push('x'),
            Some('s') => out.push(' '),
            Some(literal) => out.push(literal),
            None => {}
        },
        Some('.') => out.extend(random.pick(&['a', 'b', 'c'])),
        Some(literal) => out.push(literal),
    }
}

fn class(rest: &mut Peekable<Chars<'_>>, random: &mut Random) -> Option<char> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut members = Vec::new();
    while let Some(next) = rest.next() {
        match next {
            ']' => break,
            '\\' => match rest.next() {
                Some('d') => members.extend('0'..='9'),
                Some('w') => members.extend('a'..='z'),
                Some('s') => members.push(' '),
                Some(literal) => members.push(literal),
                None => {}
            },
            '-' => {
                let (from, to) = (members.last().copied(), rest.peek().copied());
                match (from, to) {
                    (Some(from), Some(to)) if to != ']' => {
                        rest.next();
                        members.extend(from..=to);
                    }
                    _ => members.push('-'),
                }
            }
            literal => members.push(literal),
        }
    }
    if negated {
        return ['x', 'y', '5'].into_iter().find(|candidate| !members.contains(candidate));
    }
    random.pick(&members).copied()
}

fn repetition(rest: &mut Peekable<Chars<'_>>) -> (usize, usize) {
    const MANY: usize = 3;
    match rest.peek() {
        Some('?') => {
            rest.next();
            (0, 1)
        }
        Some('*') => {
            rest.next();
            (0, MANY)
        }
        Some('+') => {
            rest.next();
            (1, MANY)
        }
        Some('{') => {
            let text: String = rest.by_ref().take_while(|next| *next != '}').skip(1).collect();
            let (least, most) = text.split_once(',').unwrap_or((&text, &text));
            let least = least.trim().parse().unwrap_or(1);
            (least, most.trim().parse().unwrap_or(least + MANY).min(least.max(64)))
        }
        _ => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_match_their_patterns() {
        let mut random = Random::new(1);
        for pattern in [
            "^[0-9]{10}$",
            "^[A-Z]{2,5}$",
            "^HB-[A-Z0-9]{6}$",
            "\\S",
            "^(\\+49|0)[1-9]\\d{3,9}$",
            "^\\d{4}-\\d{2}-\\d{2}$",
        ] {
            let pattern = Regex::new(pattern).unwrap();
            let text = matching(&pattern, &mut random).unwrap();
            assert!(pattern.is_match(&text), "{text} for {pattern}");
        }
    }

    #[test]
    fn messages_mention_numbers_and_dates() {
        let found = mentioned("only 3 left until 2026-04-01, not -5.");
        assert_eq!(found, [serde_json::json!(3), serde_json::json!("2026-04-01"), serde_json::json!(5)]);
    }
}
