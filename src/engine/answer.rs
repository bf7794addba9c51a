//! How an answer is judged: it states every expected value and no other value of that kind.
//!
//! Only the line `Answer: ...` counts (the whole text where it is missing), in at most [`ANSWER_LENGTH_MAX`] characters.
//! Other numbers, dates and names than the expected ones are allowed only if the instruction or the reference answer has
//! them, so neither a dump of the database nor 'X or Y' earns anything.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

use super::environment::Environment;
use super::snapshot::{self, Cell};
use super::solution::PlayedSolution;
use super::state::{Conditions, State};
use super::task::Task;
use super::verify::JudgeError;
use crate::package::files::{ExpectFile, OneOrMany};

/// Longest answer that is judged, in characters: room for a list of a dozen names, not for a table.
pub(crate) const ANSWER_LENGTH_MAX: usize = 300;

/// Most words of a name that is told apart from others.
const PHRASE_WORDS_MAX: usize = 10;

/// Most values beyond those asked for that an answer may mention in passing, such as when and where; with more it is a list of what
/// there is.
const ASIDES_MAX: usize = 3;

/// Most parts, set apart by commas or the like, that an answer may have beyond those asked for.
const MORE_PARTS_MAX: usize = 5;

/// Fewest digits of a name without letters, as a telephone number or a postcode is one.
const NUMERAL_DIGITS_MIN: usize = 5;

/// A day; without a year where the text gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl Day {
    pub(crate) fn matches(self, other: Self) -> bool {
        let years = self.year.is_none() || other.year.is_none() || self.year == other.year;
        years && self.month == other.month && self.day == other.day
    }
}

/// What an answer must and must not state.
#[derive(Debug, Default)]
pub(crate) struct Key {
    numbers: Vec<f64>,
    dates: Vec<Day>,
    /// Alternatives, each in normal form.
    texts: Vec<Vec<String>>,
    allowed: Facts,
    /// Names of the same kind as an expected one, in normal form.
    others: HashSet<String>,
    /// Every other name that the solution saw, in normal form.
    seen: HashSet<String>,
}

/// The outcome of judging an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Whether it is right.
    pub passed: bool,
    /// Why or why not.
    pub reason: String,
}

/// Numbers and dates that a text states.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// Numbers in digits.
    pub numbers: Vec<f64>,
    /// Numbers in words (zero to ninety).
    pub worded: Vec<f64>,
    /// Days.
    pub dates: Vec<Day>,
}

/// What an answer to `task` must and must not state, given its solution.
pub(crate) fn key(
    environment: &Environment,
    task: &Task,
    solution: &PlayedSolution,
    conditions: &Conditions,
) -> Result<Key, JudgeError> {
    let mut key = Key::default();
    for expect in task.expects() {
        match expect {
            ExpectFile::Number(number) => key.numbers.push(*number),
            ExpectFile::Date(date) => key.dates.extend(iso_day(date)),
            ExpectFile::Text(OneOrMany::One(text)) => key.texts.push(vec![normal(text)]),
            ExpectFile::Text(OneOrMany::Many(texts)) => key.texts.push(texts.iter().map(|text| normal(text)).collect()),
            ExpectFile::Set(members) => members.iter().for_each(|member| key.expect_member(member)),
        }
    }
    let known = format!("{}\n{}", task.asked(), task.answer().unwrap_or_default());
    key.allowed = facts(&known);
    let told = normal(&known);
    let names = solution.observed().into_iter().filter_map(|(_, value)| value.as_str().map(normal));
    key.seen = names.filter(|name| nameable(name) && !key.wants(name) && !contains_phrase(&told, name)).collect();
    if !key.texts.is_empty() {
        key.others = others(environment, &key, &solution.state, conditions)?;
        key.others.extend(neighbours(&key, solution));
        key.forget_known(&known);
    }
    Ok(key)
}

impl Key {
    /// A member of a set is a date, a number or a text, by its form.
    fn expect_member(&mut self, member: &str) {
        if let Some(day) = iso_day(member) {
            self.dates.push(day);
        } else if let Ok(number) = member.parse() {
            self.numbers.push(number);
        } else {
            self.texts.push(vec![normal(member)]);
        }
    }

    fn wants(&self, text: &str) -> bool {
        self.texts.iter().flatten().any(|wanted| wanted == text)
    }

    /// False where a cell can't be an expected name, as its first letter tells: most of a database need not be brought into normal
    /// form.
    fn may_want(&self, cell: &Cell) -> bool {
        let Cell::Text(text) = cell else { return false };
        let first =
            text.chars().find(|letter| letter.is_alphanumeric()).and_then(|letter| letter.to_lowercase().next());
        self.texts.iter().flatten().any(|wanted| wanted.chars().next() == first)
    }

    /// True for a longer name with an expected one in it.
    fn is_longer(&self, text: &str) -> bool {
        self.texts.iter().flatten().any(|wanted| wanted != text && contains_phrase(text, wanted))
    }

    /// Other names that the instruction or the reference answer has may be repeated.
    fn forget_known(&mut self, known: &str) {
        let known = normal(known);
        let longer = phrases(&known).filter(|phrase| self.is_longer(phrase));
        let known: HashSet<String> = phrases(&mask(&known, self)).chain(longer).collect();
        let mut others = std::mem::take(&mut self.others);
        others.retain(|text| nameable(text) && !self.wants(text) && !known.contains(text));
        self.others = others;
    }
}

/// Whether a text can be a name: not just a number or a letter.
fn nameable(text: &str) -> bool {
    let letters = text.chars().any(char::is_alphabetic) && text.chars().count() > 1;
    letters || text.chars().filter(char::is_ascii_digit).count() >= NUMERAL_DIGITS_MIN
}

/// Names that stand in the same columns as an expected one.
fn others(
    environment: &Environment,
    key: &Key,
    state: &State,
    conditions: &Conditions,
) -> Result<HashSet<String>, JudgeError> {
    let tables = 0..environment.catalog().tables.len();
    let snapshot = snapshot::read(environment, state, conditions, tables)?;
    let mut others = HashSet::new();
    for rows in snapshot.values() {
        let width = rows.values().next().map_or(0, Vec::len);
        for column in 0..width {
            let cells = || rows.values().map(|row| &row[column]);
            if cells().any(|cell| key.may_want(cell) && text_of(cell).is_some_and(|text| key.wants(&text))) {
                others.extend(cells().filter_map(text_of));
            }
        }
    }
    Ok(others)
}

/// Names that the solution saw under the same member names as an expected one or a longer one with that in it.
fn neighbours(key: &Key, solution: &PlayedSolution) -> HashSet<String> {
    let observed = solution.observed();
    let texts = || observed.iter().filter_map(|(name, value)| value.as_str().map(|text| (name, normal(text))));
    let names: HashSet<&String> =
        texts().filter(|(_, text)| key.wants(text) || key.is_longer(text)).map(|(name, _)| name).collect();
    texts().filter(|(name, _)| names.contains(name)).map(|(_, text)| text).collect()
}

fn text_of(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => Some(normal(text)),
        _ => None,
    }
}

/// Judges an answer.
pub(crate) fn judge(key: &Key, answer: &str) -> Judged {
    let fail = |reason: String| Judged { passed: false, reason };
    let line = answer_line(answer);
    if line.trim().is_empty() {
        return fail("there is no answer".to_owned());
    }
    if line.chars().count() > ANSWER_LENGTH_MAX {
        return fail(format!("the answer has more than {ANSWER_LENGTH_MAX} characters"));
    }
    let stated = facts(line);
    for number in &key.numbers {
        if !stated.numbers.iter().chain(&stated.worded).any(|stated| close(*stated, *number)) {
            return fail(format!("the answer should state {number}"));
        }
    }
    for day in &key.dates {
        if !stated.dates.iter().any(|stated| stated.matches(*day)) {
            return fail(format!("the answer should state the date {}", shown_day(*day)));
        }
    }
    let words = normal(line);
    for alternatives in &key.texts {
        if !alternatives.iter().any(|text| contains_phrase(&words, text)) {
            return fail(format!("the answer should state {:?}", alternatives.join("\" or \"")));
        }
    }
    let wanted = key.numbers.len() + key.dates.len() + key.texts.len();
    if parts(line) > wanted + MORE_PARTS_MAX {
        return fail(format!("the answer lists {} things; {wanted} were asked for", parts(line)));
    }
    match surplus(key, &stated, &words) {
        Some(reason) => fail(reason),
        None => Judged { passed: true, reason: "the answer states what was asked for".to_owned() },
    }
}

/// How many parts a line has: what stands between commas that are no part of a number, semicolons, bars and ends of lines.
fn parts(line: &str) -> usize {
    static BETWEEN: LazyLock<Regex> = LazyLock::new(|| pattern(r",(?:\D|$)|[;|\n]"));
    BETWEEN.split(line).filter(|part| !part.trim().is_empty()).count()
}

/// What the answer states beyond what it should, if anything.
fn surplus(key: &Key, stated: &Facts, words: &str) -> Option<String> {
    if !key.numbers.is_empty() {
        let fine = |number: f64| {
            let allowed = &key.allowed;
            let mut known = key.numbers.iter().chain(&allowed.numbers).chain(&allowed.worded);
            known.any(|known| close(*known, number))
        };
        if let Some(number) = stated.numbers.iter().find(|number| !fine(**number)) {
            return Some(format!("the answer also states {number}"));
        }
    }
    if !key.dates.is_empty() {
        let fine = |day: &Day| key.dates.iter().chain(&key.allowed.dates).any(|known| known.matches(*day));
        if let Some(day) = stated.dates.iter().find(|day| !fine(day)) {
            return Some(format!("the answer also states the date {}", shown_day(*day)));
        }
    }
    let masked = mask(words, key);
    let longer = phrases(words).filter(|phrase| key.is_longer(phrase));
    if let Some(name) = phrases(&masked).chain(longer).find(|phrase| key.others.contains(phrase)) {
        return Some(format!("the answer also names {name:?}"));
    }
    let asides = asides(key, stated, &masked);
    (asides > ASIDES_MAX).then(|| format!("the answer also states {asides} things that weren't asked for"))
}

/// How many values an answer states that were neither asked for nor told.
fn asides(key: &Key, stated: &Facts, masked: &str) -> usize {
    let known = || key.numbers.iter().chain(&key.allowed.numbers).chain(&key.allowed.worded);
    let numbers = stated.numbers.iter().filter(|number| !known().any(|known| close(*known, **number))).count();
    let days = || key.dates.iter().chain(&key.allowed.dates);
    let unknown = stated.dates.iter().filter(|day| !days().any(|known| known.matches(**day))).count();
    // The same day again and again is a list of times.
    let dates = unknown.max(stated.dates.len().saturating_sub(days().count()));
    let mut names = 0;
    for run in masked.split('|') {
        let words: Vec<&str> = run.split_whitespace().collect();
        let mut start = 0;
        while start < words.len() {
            let longest = (words.len() - start).min(PHRASE_WORDS_MAX);
            let named = (1..=longest).rev().find(|length| key.seen.contains(&words[start..start + length].join(" ")));
            names += usize::from(named.is_some());
            start += named.unwrap_or(1);
        }
    }
    numbers + dates + names
}

/// The words of a text with every expected name replaced by a bar, so that a name within a name isn't found.
fn mask(words: &str, key: &Key) -> String {
    let mut expected: Vec<&String> = key.texts.iter().flatten().collect();
    expected.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let mut masked = format!(" {words} ");
    for text in expected {
        masked = masked.replace(&format!(" {text} "), " | ");
    }
    masked
}

/// Every run of words of a normalised text, up to the length of a name.
fn phrases(words: &str) -> impl Iterator<Item = String> {
    let runs: Vec<Vec<&str>> = words.split('|').map(|run| run.split_whitespace().collect()).collect();
    let mut phrases = Vec::new();
    for run in runs {
        for start in 0..run.len() {
            let longest = (run.len() - start).min(PHRASE_WORDS_MAX);
            phrases.extend((1..=longest).map(|length| run[start..start + length].join(" ")));
        }
    }
    phrases.into_iter()
}

/// Whether a normalised text has a normalised phrase in it, as whole words.
pub(crate) fn contains_phrase(words: &str, phrase: &str) -> bool {
    format!(" {words} ").contains(&format!(" {phrase} "))
}

/// The part of an answer that is judged.
pub(crate) fn answer_line(answer: &str) -> &str {
    let marked = |line: &'_ str| -> Option<usize> {
        let start = line.len()
            - line.trim_start_matches(|letter: char| letter.is_whitespace() || "*_#>-`".contains(letter)).len();
        let rest = &line[start..];
        let word = rest.get(..6)?;
        let after = rest[6..].trim_start_matches(['*', '_', ' ']);
        (word.eq_ignore_ascii_case("answer") && after.starts_with(':')).then(|| line.len() - after.len() + 1)
    };
    let lines = answer.lines().rev();
    let mut found = lines.filter_map(|line| marked(line).map(|start| &line[start..]));
    found.next().unwrap_or(answer)
}

/// A text in lower case, with everything but letters and digits as single spaces.
pub(crate) fn normal(text: &str) -> String {
    let spaced: String = text.chars().map(|letter| if letter.is_alphanumeric() { letter } else { ' ' }).collect();
    spaced.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-6 * left.abs().max(right.abs()).max(1e-3)
}

fn shown_day(day: Day) -> String {
    let year = day.year.map_or_else(|| "----".to_owned(), |year| format!("{year:04}"));
    format!("{year}-{:02}-{:02}", day.month, day.day)
}

/// A day in ISO form, and nothing else.
pub(crate) fn iso_day(text: &str) -> Option<Day> {
    let date: jiff::civil::Date = text.trim().parse().ok()?;
    (text.trim().len() == 10).then(|| Day { year: Some(date.year()), month: date.month(), day: date.day() })
}

const MONTH: &str = "(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\\.?";

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|err| unreachable!("a pattern of ours doesn't compile: {err}"))
}

static ISO: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?P<year>\d{4})-(?P<number>\d{2})-(?P<day>\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2})?Z?)?"));
static DAY_FIRST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"(?i)\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH}(?:,?\s+(?P<year>\d{{4}}))?\b"))
});
static MONTH_FIRST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"(?i)\b{MONTH}\s+(?:the\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<year>\d{{4}}))?\b"))
});
static CLOCK: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b\d{1,2}:\d{2}(?::\d{2})?\b"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?P<sign>[-−]\s?)?(?:[$€£]\s?)?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})*,\d{2}\b|\d+,\d{2}\b|\d+(?:\.\d+)?)",
    )
});

/// The numbers and dates that a text states.
pub(crate) fn facts(text: &str) -> Facts {
    let mut facts = Facts::default();
    let mut rest = text.to_owned();
    for dates in [&*ISO, &*DAY_FIRST, &*MONTH_FIRST] {
        let mut masked = rest.clone();
        for found in dates.captures_iter(&rest) {
            let Some(whole) = found.get(0) else { continue };
            if let Some(day) = captured_day(&found) {
                facts.dates.push(day);
                masked.replace_range(whole.range(), &" ".repeat(whole.len()));
            }
        }
        rest = masked;
    }
    let rest = CLOCK.replace_all(&rest, " ");
    for found in NUMBER.captures_iter(&rest) {
        facts.numbers.extend(captured_number(&rest, &found));
    }
    facts.worded = normal(&rest).split(' ').filter_map(number_word).collect();
    facts
}

fn captured_day(found: &regex::Captures<'_>) -> Option<Day> {
    const MONTHS: &str = "janfebmaraprmayjunjulaugsepoctnovdec";
    let month = match found.name("number") {
        Some(number) => number.as_str().parse().ok()?,
        None => {
            let name = found.name("month")?.as_str().to_ascii_lowercase();
            i8::try_from(MONTHS.find(&name[..3])? / 3 + 1).ok()?
        }
    };
    let year: Option<i16> = found.name("year").and_then(|year| year.as_str().parse().ok());
    let day = found.name("day")?.as_str().parse().ok()?;
    // 29 February is a day of some year.
    jiff::civil::Date::new(year.unwrap_or(2024), month, day).ok()?;
    Some(Day { year, month, day })
}

/// A number, unless it is part of an identifier (`PAY-14`, `A7`) or an ordinal (`3rd`).
fn captured_number(text: &str, found: &regex::Captures<'_>) -> Option<f64> {
    let (whole, digits) = (found.get(0)?, found.name("digits")?);
    let before = text[..whole.start()].chars().next_back();
    let signed = found.name("sign").is_some();
    let within_word =
        before.is_some_and(|letter| letter.is_alphabetic() || letter == '_' || (letter.is_numeric() && !signed));
    let after = &text[digits.end()..];
    let ordinal = ["st", "nd", "rd", "th"].iter().any(|suffix| after.starts_with(suffix));
    if within_word || ordinal || after.starts_with('_') {
        return None;
    }
    let number: f64 = plain_digits(digits.as_str()).parse().ok()?;
    // A dash between two numbers or after a word is no minus sign.
    let starts = |letter: char| letter.is_whitespace() || "($€£".contains(letter);
    let negative = signed && before.is_none_or(starts);
    Some(if negative { -number } else { number })
}

/// Digits with a decimal point and nothing between thousands, from `1,234.50` or `1.234,50`: a comma before the last two
/// digits is a decimal comma.
fn plain_digits(digits: &str) -> String {
    match digits.rsplit_once(',') {
        Some((whole, cents)) if cents.len() == 2 => format!("{}.{cents}", whole.replace(['.', ','], "")),
        _ => digits.replace(',', ""),
    }
}

/// The value of a number word, zero to twenty and the tens.
pub(crate) fn number_word(word: &str) -> Option<f64> {
    const WORDS: [&str; 21] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    const TENS: [&str; 7] = ["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let number = |position: usize| u32::try_from(position).ok().map(f64::from);
    let word = word.to_ascii_lowercase();
    let small = WORDS.iter().position(|known| *known == word).and_then(number);
    let tens = || TENS.iter().position(|known| *known == word).and_then(|position| number((position + 3) * 10));
    small.or_else(tens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: Option<i16>, month: i8, day: i8) -> Day {
        Day { year, month, day }
    }

    #[test]
    fn numbers_and_dates_are_found_as_people_write_them() {
        let found = facts("It came to $1,284.50 on 4 March 2026, three days after the 1st (PAY-14, 09:30).");
        assert_eq!(found.numbers, [1284.5]);
        assert_eq!(found.worded, [3.0]);
        assert_eq!(found.dates, [day(Some(2026), 3, 4)]);
        assert_eq!(facts("March 4th, 2026").dates, [day(Some(2026), 3, 4)]);
        assert_eq!(facts("Mar 4").dates, [day(None, 3, 4)]);
        assert_eq!(facts("2026-03-04T10:00:00Z").dates, [day(Some(2026), 3, 4)]);
        assert_eq!(facts("-12.5 and (−3)").numbers, [-12.5, -3.0]);
        assert_eq!(facts("$-12.50, -$3").numbers, [-12.5, -3.0]);
        assert_eq!(facts("350,00 EUR, 1.284,50 EUR, 1,284 and 12, 14").numbers, [350.0, 1284.5, 1284.0, 12.0, 14.0]);
        assert_eq!(facts("12-14").numbers, [12.0, 14.0]);
        assert_eq!(facts("you may 84.50").numbers, [84.5]);
    }

    #[test]
    fn the_answer_line_is_what_counts() {
        assert_eq!(answer_line("I looked at 12 orders.\nAnswer: 84.50").trim(), "84.50");
        assert_eq!(answer_line("**Answer:** 84.50").trim_matches(|c| c == '*' || c == ' '), "84.50");
        assert_eq!(answer_line("84.50"), "84.50");
    }

    #[test]
    fn a_list_of_everything_seen_is_no_answer() {
        let seen = ["Oslo", "Maria Lind", "Harbour Street", "parcel"].map(normal);
        let key = Key {
            texts: vec![vec![normal("Jo Smith")]],
            seen: HashSet::from(seen),
            allowed: facts("my order of 4 March"),
            ..Key::default()
        };
        let passes = |answer: &str| judge(&key, answer).passed;
        assert!(passes("Answer: Jo Smith"));
        assert!(passes("Answer: Jo Smith of Harbour Street in Oslo brought it on 4 March, 2 days late"));
        assert!(!passes("Answer: Jo Smith, Maria Lind, Harbour Street, Oslo, parcel"));
        assert!(!passes("Answer: Jo Smith, 14.50, 2026-03-09, Oslo, 7"));
        assert!(!passes("Answer: a1b, c2d, Ann Lee, Bob Roe, Jo Smith, e3f, g4h"));
        assert_eq!(parts("Jo Smith, who paid $1,284.50; on 4 March, 2026"), 4);
    }

    #[test]
    fn an_answer_states_what_is_expected_and_no_other_value() {
        let key = Key {
            numbers: vec![84.5],
            texts: vec![vec![normal("Oak desk lamp")]],
            others: HashSet::from([normal("Oak desk"), normal("Birch desk"), normal("Red oak desk lamp")]),
            allowed: facts("my 2 orders"),
            ..Key::default()
        };
        let passes = |answer: &str| judge(&key, answer).passed;
        assert!(passes("Answer: the oak desk lamp, $84.50"));
        assert!(passes("Answer: of 2 orders it is the Oak Desk Lamp for 84.5 dollars"));
        assert!(!passes("Answer: $84.50"));
        assert!(!passes("Answer: oak desk lamp"));
        assert!(!passes("Answer: oak desk lamp, 84.50 or 90"));
        assert!(!passes("Answer: oak desk lamp or oak desk, 84.50"));
        assert!(!passes("Answer: the red oak desk lamp, 84.50"));
        assert!(!passes("Answer: oak desk lamp, birch desk, 84.50"));
        assert!(!passes(""));
        assert!(!passes(&format!("oak desk lamp 84.50 {}", "so ".repeat(120))));
    }
}
