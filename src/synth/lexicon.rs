//! Plausible texts for generated rows: names of people and places, addresses, notes, codes.
//!
//! A text column names a generator (`person`) or gives a pattern with parts in braces (`R-{upper:5}`). Nothing that is
//! generated can reach anybody: addresses are at example.org, phone numbers in the fictional 555-01xx range.

use std::sync::LazyLock;

use super::rng::Rng;
use crate::engine::nearest;

/// Most letters that a part such as `{digits:4}` writes: longer is a typing error.
const LETTERS_MAX: usize = 64;

/// The alphabet of `{digits:4}`.
const DIGITS: &[u8] = b"0123456789";
/// The alphabet of `{upper:4}`.
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// The alphabet of `{lower:4}`.
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
/// The alphabet of `{alnum:4}`: without the letters and digits that people mix up when they read a code aloud.
const ALNUM: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Writes one text.
type Write = fn(&mut Rng) -> String;

/// The generators, by name.
const GENERATORS: &[(&str, Write)] = &[
    ("person", person),
    ("first_name", |rng| word(&FIRST_NAMES, rng)),
    ("last_name", |rng| word(&LAST_NAMES, rng)),
    ("company", company),
    ("street", |rng| word(&STREETS, rng)),
    ("city", |rng| word(&CITIES, rng)),
    ("country", |rng| word(&COUNTRIES, rng)),
    ("email", email),
    ("phone", phone),
    ("url", url),
    ("sentence", |rng| word(&SENTENCES, rng)),
    ("paragraph", paragraph),
    ("product_word", |rng| word(&PRODUCTS, rng)),
    ("color", |rng| word(&COLORS, rng)),
    ("restaurant_name", restaurant_name),
    ("username", username),
    ("iban", iban),
];

/// Names of the parts with an argument of their own, for hints.
const PARTS: &[&str] = &["digits", "upper", "lower", "alnum", "pick", "n", "int"];

static FIRST_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/first_names.txt")));
static LAST_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/last_names.txt")));
static STREETS: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/streets.txt")));
static CITIES: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/cities.txt")));
static COUNTRIES: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/countries.txt")));
static COLORS: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/colors.txt")));
static PRODUCTS: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/products.txt")));
static FIRM_STEMS: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/firm_stems.txt")));
static FIRM_TRADES: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/firm_trades.txt")));
static RESTAURANT_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/restaurant_names.txt")));
static RESTAURANT_WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/restaurant_words.txt")));
static URL_WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| items(include_str!("lexicon/url_words.txt")));
// Sentences have commas of their own: one a line.
static SENTENCES: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("lexicon/sentences.txt").lines().filter(|line| !line.is_empty()).collect());

/// A part of a pattern.
#[derive(Debug, Clone, Copy)]
enum Part<'p> {
    /// As it stands.
    Literal(&'p str),
    /// What a generator writes.
    Generated(Write),
    /// So many letters of an alphabet.
    Letters(&'static [u8], usize),
    /// One of the texts between bars.
    Pick(&'p str),
    /// The running number, with at least so many digits.
    Number(usize),
    /// A whole number from a range.
    Int(i64, i64),
}

/// Whether a generator has this name.
pub(crate) fn known(name: &str) -> bool {
    GENERATORS.iter().any(|(known, _)| *known == name)
}

/// What is wrong with a pattern, if anything.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    parse(pattern).map(|_| ())
}

/// A text for `pattern`, the name of a generator or a text with parts in braces; `number` is the running number of the row.
pub(crate) fn generate(pattern: &str, number: usize, rng: &mut Rng) -> Result<String, String> {
    let mut text = String::new();
    for part in parse(pattern)? {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Generated(write) => text.push_str(&write(rng)),
            Part::Letters(alphabet, count) => text.push_str(&letters(alphabet, count, rng)),
            Part::Pick(choices) => {
                let choices: Vec<&str> = choices.split('|').collect();
                text.push_str(rng.pick(&choices).copied().unwrap_or_default());
            }
            Part::Number(width) => text.push_str(&format!("{number:0width$}")),
            Part::Int(low, high) => text.push_str(&rng.between(low, high).to_string()),
        }
    }
    Ok(text)
}

/// The parts of a pattern, or what is wrong with it.
fn parse(pattern: &str) -> Result<Vec<Part<'_>>, String> {
    if let Some((_, write)) = GENERATORS.iter().find(|(name, _)| *name == pattern) {
        return Ok(vec![Part::Generated(*write)]);
    }
    if !pattern.contains('{') {
        let message = format!("`{pattern}` is no generator and has no part in braces");
        return Err(message + &hint(pattern));
    }
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, behind) =
            after.split_once('}').ok_or_else(|| format!("a brace is never closed in `{pattern}`"))?;
        if before.contains('}') {
            return Err(format!("a brace is closed but never opened in `{pattern}`"));
        }
        parts.push(Part::Literal(before));
        parts.push(part(inside)?);
        rest = behind;
    }
    if rest.contains('}') {
        return Err(format!("a brace is closed but never opened in `{pattern}`"));
    }
    parts.push(Part::Literal(rest));
    Ok(parts)
}

/// The part that the text between two braces names.
fn part(inside: &str) -> Result<Part<'_>, String> {
    let (name, argument) = match inside.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (inside, None),
    };
    if let Some((_, write)) = GENERATORS.iter().find(|(known, _)| *known == name) {
        return match argument {
            None => Ok(Part::Generated(*write)),
            Some(_) => Err(format!("`{{{inside}}}`: {name} takes nothing after it")),
        };
    }
    match (name, argument) {
        ("digits", Some(count)) => Ok(Part::Letters(DIGITS, letter_count(inside, count)?)),
        ("upper", Some(count)) => Ok(Part::Letters(UPPER, letter_count(inside, count)?)),
        ("lower", Some(count)) => Ok(Part::Letters(LOWER, letter_count(inside, count)?)),
        ("alnum", Some(count)) => Ok(Part::Letters(ALNUM, letter_count(inside, count)?)),
        ("pick", Some(choices)) if choices.contains('|') => Ok(Part::Pick(choices)),
        ("pick", _) => Err(format!("`{{{inside}}}` needs its choices, as in `{{pick:red|green}}`")),
        ("n", None) => Ok(Part::Number(1)),
        ("n", Some(width)) => Ok(Part::Number(letter_count(inside, width)?)),
        ("int", Some(range)) => int_range(inside, range),
        ("int", None) => Err("`{int}` needs its range, as in `{int:10:99}`".to_owned()),
        (name, None) if PARTS.contains(&name) => {
            Err(format!("`{{{name}}}` needs the number of its letters, as in `{{{name}:4}}`"))
        }
        (name, _) => Err(format!("unknown part `{{{inside}}}`") + &hint(name)),
    }
}

/// The number of letters after a colon.
fn letter_count(inside: &str, count: &str) -> Result<usize, String> {
    match count.parse() {
        Ok(count) if (1..=LETTERS_MAX).contains(&count) => Ok(count),
        _ => Err(format!("`{{{inside}}}`: `{count}` is no number from 1 to {LETTERS_MAX}")),
    }
}

/// The range after `int:`.
fn int_range<'p>(inside: &str, range: &str) -> Result<Part<'p>, String> {
    let bounds = range.split_once(':').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    match bounds {
        Some((low, high)) if low <= high => Ok(Part::Int(low, high)),
        _ => {
            Err(format!("`{{{inside}}}` needs two numbers, the lower one before the higher one, as in `{{int:10:99}}`"))
        }
    }
}

/// The name that an unknown one may have been meant to be.
fn hint(name: &str) -> String {
    let known = GENERATORS.iter().map(|(name, _)| *name).chain(PARTS.iter().copied());
    nearest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// The items of a list with commas or line ends between them.
fn items(list: &'static str) -> Vec<&'static str> {
    list.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// One item of a list.
fn word(list: &[&str], rng: &mut Rng) -> String {
    rng.pick(list).copied().unwrap_or_default().to_owned()
}

/// So many letters of an alphabet.
fn letters(alphabet: &[u8], count: usize, rng: &mut Rng) -> String {
    (0..count).filter_map(|_| rng.pick(alphabet).copied()).map(char::from).collect()
}

/// A first name and a last name.
fn person(rng: &mut Rng) -> String {
    format!("{} {}", word(&FIRST_NAMES, rng), word(&LAST_NAMES, rng))
}

/// A firm that doesn't exist.
fn company(rng: &mut Rng) -> String {
    // No endings with a period (Inc., Co.): a name often stands at the end of a sentence.
    let stem = word(&FIRM_STEMS, rng);
    match rng.below(10) {
        0..6 => format!("{stem} {}", word(&FIRM_TRADES, rng)),
        6 | 7 => format!("{stem} & {}", word(&LAST_NAMES, rng)),
        8 => format!("{} {}", word(&LAST_NAMES, rng), word(&FIRM_TRADES, rng)),
        _ => format!("{stem} {} Group", word(&FIRM_TRADES, rng)),
    }
}

/// A place to eat.
fn restaurant_name(rng: &mut Rng) -> String {
    match rng.below(10) {
        0..4 => word(&RESTAURANT_NAMES, rng),
        4..7 => format!("The {}", word(&RESTAURANT_WORDS, rng)),
        7 | 8 => word(&RESTAURANT_WORDS, rng),
        _ => format!("{}'s Kitchen", plain_name(&FIRST_NAMES, rng)),
    }
}

/// Two to four sentences.
fn paragraph(rng: &mut Rng) -> String {
    let mut order: Vec<&str> = SENTENCES.clone();
    rng.shuffle(&mut order);
    let count = 2 + rng.below(3);
    order.truncate(count);
    order.join(" ")
}

/// A name that doesn't end in an s, so that `'s` can follow it.
fn plain_name(list: &[&'static str], rng: &mut Rng) -> String {
    let plain: Vec<&str> = list.iter().copied().filter(|name| !name.ends_with(['s', 'x', 'z'])).collect();
    word(&plain, rng)
}

/// A name as addresses have it: lower case, plain letters only.
fn handle(list: &[&str], rng: &mut Rng) -> String {
    word(list, rng).to_lowercase().chars().filter_map(plain_letter).collect()
}

/// An address at a host that nobody can have (RFC 2606).
fn email(rng: &mut Rng) -> String {
    let (first, last) = (handle(&FIRST_NAMES, rng), handle(&LAST_NAMES, rng));
    let host = if rng.chance(0.5) { "example.org" } else { "example.com" };
    match rng.below(3) {
        0 => format!("{first}_{last}@{host}"),
        1 => format!("{}.{last}@{host}", first.get(..1).unwrap_or_default()),
        _ => format!("{first}.{last}@{host}"),
    }
}

/// The name of an account.
fn username(rng: &mut Rng) -> String {
    let (first, last) = (handle(&FIRST_NAMES, rng), handle(&LAST_NAMES, rng));
    match rng.below(4) {
        0 => format!("{}{last}", first.get(..1).unwrap_or_default()),
        1 => format!("{first}_{last}"),
        2 => format!("{first}{}", rng.between(10, 99)),
        _ => format!("{first}.{last}"),
    }
}

/// A number from the range that is kept for fiction.
fn phone(rng: &mut Rng) -> String {
    format!("{}-555-01{}", rng.between(201, 989), letters(DIGITS, 2, rng))
}

/// A page at a host that nobody can have.
fn url(rng: &mut Rng) -> String {
    let host = if rng.chance(0.5) { "example.org" } else { "example.com" };
    format!("https://www.{host}/{}/{}-{}", word(&URL_WORDS, rng), word(&URL_WORDS, rng), letters(DIGITS, 3, rng))
}

/// An account number with a right checksum (ISO 13616) at a bank that can't exist: no German bank code begins with 9.
fn iban(rng: &mut Rng) -> String {
    let account = format!("9{}", letters(DIGITS, 17, rng));
    // The checksum is over the account, then the letters D and E as 13 and 14, then two zeros.
    let remainder =
        format!("{account}131400").bytes().fold(0_u32, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - remainder)
}

/// The plain letter for one with a mark; none for what isn't a letter.
fn plain_letter(letter: char) -> Option<char> {
    match letter {
        'a'..='z' => Some(letter),
        'á' | 'à' | 'â' | 'ã' | 'ä' | 'å' | 'ă' | 'ą' => Some('a'),
        'ç' | 'ć' | 'č' => Some('c'),
        'ď' => Some('d'),
        'é' | 'è' | 'ê' | 'ë' | 'ě' | 'ę' => Some('e'),
        'í' | 'î' | 'ï' => Some('i'),
        'ł' => Some('l'),
        'ñ' | 'ń' | 'ň' => Some('n'),
        'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' => Some('o'),
        'ř' => Some('r'),
        'ś' | 'š' | 'ş' | 'ș' => Some('s'),
        'ť' | 'ț' => Some('t'),
        'ú' | 'û' | 'ü' | 'ů' | 'ű' => Some('u'),
        'ý' => Some('y'),
        'ž' | 'ź' | 'ż' => Some('z'),
        'æ' => Some('e'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn lists_are_long_enough_and_have_nothing_twice() {
        for (list, least) in [
            (&*FIRST_NAMES, 240),
            (&*LAST_NAMES, 300),
            (&*STREETS, 150),
            (&*CITIES, 120),
            (&*COUNTRIES, 80),
            (&*PRODUCTS, 150),
            (&*SENTENCES, 80),
            (&*FIRM_STEMS, 80),
        ] {
            assert!(list.len() >= least, "{list:?}");
            assert_eq!(list.iter().collect::<HashSet<_>>().len(), list.len(), "{list:?}");
        }
        let letters =
            FIRST_NAMES.iter().chain(&*LAST_NAMES).flat_map(|name| name.to_lowercase().chars().collect::<Vec<_>>());
        for letter in letters {
            assert!(plain_letter(letter).is_some() || "'-".contains(letter), "{letter}");
        }
    }

    #[test]
    fn a_pattern_writes_its_parts() {
        let mut rng = Rng::new(1);
        assert_eq!(generate("{n}/{n:4}", 7, &mut rng).unwrap(), "7/0007");
        let text =
            generate("R-{upper:3}{digits:4}-{pick:red|green}-{int:10:12}-{lower:2}{alnum:6}", 1, &mut rng).unwrap();
        assert_eq!(text.replace("red", "green").len(), "R-ABC1234-green-10-ababcdef".len(), "{text}");
        let text = generate("{int:1:99} {street}, {city}", 1, &mut rng).unwrap();
        assert!(text.contains(", ") && !text.contains('{'), "{text}");
        for (name, _) in GENERATORS {
            let text = generate(name, 1, &mut rng).unwrap();
            assert!(known(name) && !text.is_empty() && text.trim() == text, "{name}: {text}");
            assert_eq!(generate(name, 1, &mut Rng::new(9)), generate(name, 1, &mut Rng::new(9)));
        }
    }

    #[test]
    fn account_numbers_have_a_right_checksum() {
        let mut rng = Rng::new(5);
        for _ in 0..50 {
            let iban = iban(&mut rng);
            let digits = format!("{}1314{}", &iban[4..], &iban[2..4]);
            assert_eq!(digits.bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97), 1, "{iban}");
            assert_eq!(iban.len(), 22);
        }
    }

    #[test]
    fn a_wrong_pattern_is_told_what_is_wrong() {
        for (pattern, told) in [
            ("persn", "`persn` is no generator and has no part in braces; did you mean `person`?"),
            ("{frist_name}", "unknown part `{frist_name}`; did you mean `first_name`?"),
            ("{qqq}", "unknown part `{qqq}`"),
            ("{person", "a brace is never closed in `{person`"),
            ("{person}}", "a brace is closed but never opened in `{person}}`"),
            ("{person:3}", "`{person:3}`: person takes nothing after it"),
            ("{digits}", "`{digits}` needs the number of its letters, as in `{digits:4}`"),
            ("{digits:0}", "`{digits:0}`: `0` is no number from 1 to 64"),
            ("{pick:red}", "`{pick:red}` needs its choices, as in `{pick:red|green}`"),
            ("{int:9:1}", "`{int:9:1}` needs two numbers, the lower one before the higher one, as in `{int:10:99}`"),
        ] {
            assert_eq!(check(pattern), Err(told.to_owned()));
        }
        assert_eq!(check("INV-{n:4}"), Ok(()));
    }
}
