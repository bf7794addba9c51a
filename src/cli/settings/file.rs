//! Reading the configuration file: everything that is wrong with it at once, each with its line and what may have been meant.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::ops::Range;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{key, settings_of};
use crate::config::access::{TokenDigest, TrainerToken, read_token};
use crate::engine::nearest;
use crate::id::TokenName;

/// The one key that is no flag: `[[tokens]]`.
const TOKENS: &str = "tokens";

/// The keys of a `[[tokens]]` entry.
const TOKEN_KEYS: [&str; 5] = ["name", "token_sha256", "token_file", "live_episodes_max", "calls_per_s"];

/// Something wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) message: String,
}

/// A value as the command line would have it, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) texts: Vec<String>,
    pub(super) line: usize,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    /// By the id of the argument.
    pub(super) values: BTreeMap<String, Value>,
    pub(super) trainers: Vec<TrainerToken>,
}

/// Reads the text of a file against the definition of `serve`.
pub(super) fn parse(text: &str, serve: &Command) -> Result<File, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, problems: Vec::new() };
    for err in &errors {
        reader.problem(&err.span().unwrap_or_default(), err.message().to_owned());
    }
    // What follows a syntax error is often misread, so that nothing more is said about it.
    let file = if errors.is_empty() { reader.file(table.get_ref(), serve) } else { File::default() };
    let mut problems = reader.problems;
    if problems.is_empty() {
        return Ok(file);
    }
    problems.sort_by_key(|problem| problem.line);
    Err(problems)
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Switch,
    Number,
    Text,
    Texts,
}

impl Kind {
    fn of(arg: &Arg) -> Self {
        let parsed = arg.get_value_parser().type_id();
        let numbers = [TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()];
        if matches!(arg.get_action(), ArgAction::Append) {
            Self::Texts
        } else if matches!(arg.get_action(), ArgAction::SetTrue) || parsed == TypeId::of::<bool>() {
            Self::Switch
        } else if numbers.iter().any(|number| parsed == *number) {
            Self::Number
        } else {
            Self::Text
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::Switch => "true or false",
            Self::Number => "a whole number",
            Self::Text => "a text in quotes",
            Self::Texts => "a list of texts, as in [\"a\", \"b\"]",
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        self.text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1
    }

    fn problem(&mut self, span: &Range<usize>, message: String) {
        let line = self.line(span);
        self.problems.push(Problem { line, message });
    }

    fn file(&mut self, table: &DeTable<'_>, serve: &Command) -> File {
        let known: BTreeMap<String, &Arg> = settings_of(serve).map(|arg| (key(arg), arg)).collect();
        // Every value is tried alone: the variables of this process have nothing to say about the file. (clap reads a
        // variable when it is named and can't unname it; no variable has no name.)
        let probe = serve.clone().no_binary_name(true).mut_args(|arg| arg.env(""));
        let mut file = File::default();
        for (name, value) in table {
            if name.get_ref() == TOKENS {
                file.trainers = self.tokens(value);
                continue;
            }
            let Some(arg) = known.get(name.get_ref().as_ref()) else {
                let names = known.keys().map(String::as_str).chain([TOKENS]);
                self.unknown(&name.span(), "setting", name.get_ref(), names);
                continue;
            };
            let Some(texts) = self.texts(name.get_ref(), Kind::of(arg), value) else { continue };
            for text in &texts {
                if let Some(wrong) = refusal(&probe, arg, text) {
                    self.problem(&value.span(), format!("`{}` {wrong}", name.get_ref()));
                }
            }
            let line = self.line(&name.span());
            file.values.insert(arg.get_id().to_string(), Value { texts, line });
        }
        file
    }

    fn unknown<'k>(
        &mut self,
        span: &Range<usize>,
        kind: &str,
        name: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        let meant = nearest(name, known.clone());
        let hint = match meant {
            Some(near) => format!("did you mean `{near}`?"),
            None if kind == "setting" => "`envfarm config` prints all settings".to_owned(),
            None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.problem(span, format!("there is no {kind} `{name}`; {hint}"));
    }

    fn texts(&mut self, name: &str, kind: Kind, value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
        let one = match (kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(on)) => Some(vec![on.to_string()]),
            (Kind::Number, DeValue::Integer(number)) => {
                i128::from_str_radix(number.as_str(), number.radix()).ok().map(|number| vec![number.to_string()])
            }
            (Kind::Text, DeValue::String(text)) => Some(vec![text.clone().into_owned()]),
            (Kind::Texts, DeValue::Array(items)) => {
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
            }
            _ => None,
        };
        if one.is_none() {
            let found = value.get_ref().type_str();
            self.problem(&value.span(), format!("`{name}` takes {}, not this {found}", kind.described()));
        }
        one
    }

    fn tokens(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<TrainerToken> {
        let tables: Option<Vec<_>> = value
            .get_ref()
            .as_array()
            .and_then(|items| items.iter().map(|item| Some((item.span(), item.get_ref().as_table()?))).collect());
        let Some(tables) = tables else {
            self.problem(&value.span(), "write each token as a table of its own, beginning with [[tokens]]".to_owned());
            return Vec::new();
        };
        let mut trainers: Vec<TrainerToken> = Vec::new();
        for (span, table) in tables {
            let Some(trainer) = self.token(&span, table) else { continue };
            if trainers.iter().any(|other| other.name == trainer.name) {
                self.problem(&span, format!("there are two tokens named `{}`", trainer.name));
            } else if let Some(other) = trainers.iter().find(|other| other.digest.matches(&trainer.digest)) {
                self.problem(&span, format!("`{}` and `{}` have the same token", other.name, trainer.name));
            }
            trainers.push(trainer);
        }
        trainers
    }

    fn token(&mut self, span: &Range<usize>, table: &DeTable<'_>) -> Option<TrainerToken> {
        let before = self.problems.len();
        for name in table.keys().filter(|name| !TOKEN_KEYS.contains(&name.get_ref().as_ref())) {
            self.unknown(&name.span(), "key of a token", name.get_ref(), TOKEN_KEYS.into_iter());
        }
        let name = self.field(table, "name", Kind::Text).and_then(|(at, name)| match TokenName::parse(&name) {
            Ok(name) => Some(name),
            Err(err) => {
                self.problem(&at, err.to_string());
                None
            }
        });
        let digest = match (self.field(table, "token_sha256", Kind::Text), self.field(table, "token_file", Kind::Text))
        {
            (Some((at, digits)), None) => {
                let digest = TokenDigest::parse(&digits);
                if digest.is_none() {
                    self.problem(
                        &at,
                        "`token_sha256` is 64 hexadecimal digits, as `envfarm token` prints them".to_owned(),
                    );
                }
                digest
            }
            (None, Some((at, path))) => self.digest_in(&at, &path),
            (Some(_), Some((at, _))) => {
                self.problem(&at, "give `token_sha256` or `token_file`, not both".to_owned());
                None
            }
            (None, None) => None,
        };
        let live_episodes_max = self.number(table, "live_episodes_max").and_then(|number| usize::try_from(number).ok());
        let calls_per_s = self.number(table, "calls_per_s");
        if self.problems.len() > before {
            return None;
        }
        let (Some(name), Some(digest)) = (name, digest) else {
            self.problem(span, "a token has a `name`, and a `token_sha256` or `token_file`".to_owned());
            return None;
        };
        Some(TrainerToken { name, digest, live_episodes_max, calls_per_s })
    }

    fn digest_in(&mut self, at: &Range<usize>, path: &str) -> Option<TokenDigest> {
        let digest = fs::read_to_string(path)
            .map_err(|err| err.to_string())
            .and_then(|text| read_token(&text).map_err(|err| err.to_string()));
        digest.map_err(|err| self.problem(at, format!("the token in {path} can't be used: {err}"))).ok()
    }

    fn field(&mut self, table: &DeTable<'_>, name: &str, kind: Kind) -> Option<(Range<usize>, String)> {
        let value = table.get(name)?;
        let texts = self.texts(name, kind, value)?;
        Some((value.span(), texts.into_iter().next()?))
    }

    fn number(&mut self, table: &DeTable<'_>, name: &str) -> Option<u32> {
        let (span, text) = self.field(table, name, Kind::Number)?;
        let number = text.parse().ok().filter(|number| *number > 0);
        if number.is_none() {
            self.problem(&span, format!("`{name}` is from 1 to {}", u32::MAX));
        }
        number
    }
}

/// What clap has against a value, if anything.
fn refusal(probe: &Command, arg: &Arg, text: &str) -> Option<String> {
    let given = format!("--{}={text}", arg.get_long().unwrap_or_default());
    let err = probe.clone().try_get_matches_from([given]).err()?;
    match err.kind() {
        ErrorKind::ValueValidation => {
            let why = err.source().map(ToString::to_string).unwrap_or_default();
            Some(format!("can't be {text:?}: {why}"))
        }
        ErrorKind::InvalidValue => match err.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(valid)) => Some(format!("is one of {}, not {text:?}", valid.join(", "))),
            _ => Some(format!("can't be {text:?}")),
        },
        // That another flag is missing says nothing about this one.
        _ => None,
    }
}
