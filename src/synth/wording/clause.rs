//! What a clause allows around it: whether it can be asked as a question, joined by `and`, or follow `I'd like you to`.

/// Longest clause that is joined to another or asked as a question, in characters: beyond, a sentence of its own reads
/// better.
const SIMPLE_LENGTH_MAX: usize = 110;

/// What one intent wants said, its texts tidied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'p> {
    /// A request, as an imperative.
    pub act: Option<&'p str>,
    /// A question, as a wh-clause.
    pub ask: Option<&'p str>,
    /// What to do where the request can't be met, in sentences.
    pub otherwise: Option<&'p str>,
    /// A whole request, where there is nothing else.
    pub said: Option<&'p str>,
}

impl Piece<'_> {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.act.is_none() && self.ask.is_none() && self.otherwise.is_none() && self.said.is_none()
    }

    /// Whether something that follows could be taken to hang on a condition of this piece.
    pub(super) fn is_conditional(&self) -> bool {
        self.otherwise.is_some() || self.act.is_some_and(is_conditional) || self.said.is_some()
    }
}

/// How a clause begins, which decides what may stand before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// A verb: `cancel my table`.
    Verb,
    /// A prohibition: `don't touch the others`.
    Prohibition,
    /// Anything else: `if the blue lamp is sold out, order the gray lamp`.
    Other,
}

/// A clause that goes into a template.
#[derive(Debug)]
pub(super) struct Clause {
    /// Its words.
    pub text: String,
    /// How it begins.
    pub start: Start,
    /// Whether it makes a readable question.
    pub simple: bool,
    /// Whether it names a thing (`the titles of the books`) where a question stands.
    pub names_thing: bool,
}

impl Clause {
    /// A request.
    pub(super) fn act(text: &str) -> Self {
        Self { text: text.to_owned(), start: start(text), simple: is_simple(text), names_thing: false }
    }

    /// A wh-clause: a unit behind a comma (`, in dollars`) doesn't make it hard to read.
    pub(super) fn ask(text: &str) -> Self {
        let breaks = [". ", "? ", "! ", "; ", ": "].iter().any(|mark| text.contains(mark));
        let simple = !breaks && !text.ends_with(['.', '?', '!']) && text.chars().count() <= SIMPLE_LENGTH_MAX;
        let lower = text.to_lowercase();
        let asks = |word: &str| word.starts_with("wh") || word == "how" || word == "if";
        // The question word may follow a preposition: `on what date`.
        let names_thing = !lower.split([' ', ',']).take(2).any(asks);
        Self { text: text.to_owned(), start: Start::Verb, simple, names_thing }
    }
}

/// Whether a clause can be joined to the next by `and`.
pub(super) fn is_simple(clause: &str) -> bool {
    let breaks = [',', ';', ':', '—', '–', '(', '"', '“'];
    let joins =
        [" because ", " since ", " so ", " but ", " or ", " as ", " until ", " before ", " after ", " and then "];
    !clause.contains(breaks)
        && !clause.ends_with(['.', '?', '!'])
        && ![". ", "? ", "! ", " - "].iter().any(|mark| clause.contains(mark))
        && !joins.iter().any(|join| clause.contains(join))
        && !is_conditional(clause)
        && clause.chars().count() <= SIMPLE_LENGTH_MAX
}

/// Whether a text states a condition.
pub(super) fn is_conditional(text: &str) -> bool {
    const CONDITIONS: &[&str] = &[
        "if",
        "unless",
        "otherwise",
        "else",
        "should",
        "depending",
        "failing",
        "whichever",
        "except",
        "instead",
        "whether",
    ];
    let word = |word: &str| CONDITIONS.iter().any(|condition| word.eq_ignore_ascii_case(condition));
    text.split(|letter: char| !letter.is_alphanumeric()).any(word) || text.to_lowercase().contains("in case ")
}

/// Words that begin a clause which is no bare imperative.
const NO_VERBS: &str = "if when unless for of from in on with at as to whatever whichever everything everyone the \
    my our all any each every once after before should out among since because by instead no i \
    i'd i've i'm we there that this only some a an it between during whenever within under \
    over both until here let's so now";

/// How a clause begins.
pub(super) fn start(clause: &str) -> Start {
    let lower = clause.to_lowercase().replace('’', "'");
    let word = lower.split([' ', ',']).next().unwrap_or_default();
    let verbal = word.chars().all(|letter| letter.is_alphabetic() || letter == '-' || letter == '\'');
    if word == "don't" || word == "never" || lower.starts_with("do not ") || word == "not" {
        Start::Prohibition
    } else if word.is_empty() || !verbal || NO_VERBS.split_whitespace().any(|other| other == word) {
        Start::Other
    } else {
        Start::Verb
    }
}

/// A request without what templates put before it.
pub(super) fn tidy_act(text: &str) -> &str {
    without_start(text, &["please ", "then ", "also "])
}

/// A question without what templates put around it.
pub(super) fn tidy_ask(text: &str) -> &str {
    without_start(text, &["please ", "and ", "also ", "tell me ", "let me know "]).trim_end_matches('?')
}

/// A text without any of these words before it.
fn without_start<'t>(text: &'t str, starts: &[&str]) -> &'t str {
    let mut text = text.trim();
    while let Some(rest) = starts.iter().find_map(|start| {
        let head = text.get(..start.len())?;
        head.eq_ignore_ascii_case(start).then(|| text[start.len()..].trim_start())
    }) {
        text = rest;
    }
    text
}

/// Whether a text already ends a sentence, perhaps within quotes.
pub(super) fn ends_sentence(text: &str) -> bool {
    text.trim_end_matches(['"', '”', '\'', '’', ')']).ends_with(['.', '?', '!', '…'])
}
