//! Making a call and judging what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Rules;
use super::corpus::Entry;
use super::marks::Marks;
use super::private::Made;
use super::rows::Reader;
use crate::engine::environment::{Environment, Tool};
use crate::engine::execute::{ExecuteError, Skipped};
use crate::engine::program::Action;
use crate::engine::state::Observation;
use crate::package::TOOLS_FILE;
use crate::package::diagnostic::{Code, Diagnostic};

/// Longest text of a call or result that a message quotes, in characters.
const QUOTED_LENGTH_MAX: usize = 400;

/// Findings, each once for a rule, tool and place in it: the one after the fewest calls, which is the easiest to follow.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    found: BTreeMap<(Code, usize, String), (usize, Diagnostic)>,
}

/// Where a finding is: the tool, something that tells places in it apart, and a line of tools.yaml.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub tool: usize,
    pub what: &'p str,
    pub line: usize,
}

impl Findings {
    /// Adds a finding made after `depth` calls, unless there is one for the same rule, tool and place that is as easy to follow.
    pub(super) fn add(&mut self, code: Code, place: Place<'_>, depth: usize, message: impl FnOnce() -> String) {
        let key = (code, place.tool, place.what.to_owned());
        if self.found.get(&key).is_none_or(|(known, _)| depth < *known) {
            self.found.insert(key, (depth, Diagnostic::new(code, TOOLS_FILE, place.line, message())));
        }
    }

    /// Adds all of these that aren't there yet.
    pub(super) fn merge(&mut self, other: Self) {
        for (place, finding) in other.found {
            self.found.entry(place).or_insert(finding);
        }
    }

    /// All of them, in a stable order.
    pub(super) fn into_diagnostics(self) -> impl Iterator<Item = Diagnostic> {
        self.found.into_values().map(|(_, finding)| finding)
    }
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The environment's defect.
    Faulted,
    /// The arguments don't fit the schema.
    Invalid,
    /// A limit stopped it.
    OverBudget,
    /// A guard refused, with this message.
    Refused(usize, String),
    /// It returned a result.
    Completed,
}

/// A call, judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub verdict: Verdict,
    /// The steps that were skipped.
    pub skipped: Skipped,
    pub observation: Option<Observation>,
    /// The state after it, where it committed.
    pub child: Option<Arc<Entry>>,
}

/// A call that is repeated later to see whether it gives the same.
#[derive(Debug)]
pub(super) struct Sample {
    /// Index of the tool.
    pub tool: usize,
    /// Where it was made.
    pub entry: Arc<Entry>,
    /// With what.
    pub arguments: Map<String, Value>,
    /// What came back.
    pub text: String,
    /// The state after it, where it committed.
    pub child: Option<Arc<Entry>>,
}

/// Calls of one tool to be repeated.
#[derive(Debug, Default)]
pub(super) struct Samples {
    calls: u64,
    regular: Vec<Sample>,
    longest: Vec<Sample>,
}

impl Samples {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Sample> {
        self.regular.iter().chain(&self.longest)
    }
}

/// Everything calls are judged by.
pub(super) struct Judge<'j> {
    pub environment: &'j Environment,
    pub reader: &'j Reader,
    /// Without any, calls aren't judged.
    pub rules: Option<&'j Rules>,
    /// Marked cells that the actor may not see; a state with marks is judged by nothing else, being no state of the package.
    pub marks: Option<Marks>,
    pub findings: Findings,
    /// By tool.
    pub samples: Vec<Samples>,
    /// Calls of each tool that are kept for repeating, at most: some of all, and those with the longest results.
    pub repeated: usize,
    pub repeated_longest: usize,
}

/// How a message names a call.
pub(super) fn told(tool: &Tool, entry: &Entry, arguments: &Map<String, Value>) -> String {
    let arguments = shortened(&Value::Object(arguments.clone()).to_string());
    format!("{} called with {arguments} as actor {}{}", tool.name(), entry.conditions.actor, entry.told())
}

/// A text as a message quotes it.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= QUOTED_LENGTH_MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(QUOTED_LENGTH_MAX).collect();
    format!("{start}...")
}

impl<'j> Judge<'j> {
    /// A judge without findings yet.
    pub(super) fn new(environment: &'j Environment, reader: &'j Reader, rules: Option<&'j Rules>) -> Self {
        Self {
            environment,
            reader,
            rules,
            marks: None,
            findings: Findings::default(),
            samples: environment.tools().iter().map(|_| Samples::default()).collect(),
            repeated: 0,
            repeated_longest: 0,
        }
    }

    /// Makes a call and judges it, where there are rules.
    pub(super) fn call(
        &mut self,
        (index, tool): (usize, &Tool),
        entry: &Arc<Entry>,
        arguments: &Map<String, Value>,
    ) -> Judged {
        let mut state = entry.state.clone();
        let called = match state.call(self.environment, &entry.conditions, tool, arguments, None) {
            Ok(called) => called,
            Err(err) => {
                self.faulted((index, tool), entry, arguments, &err);
                return Judged { verdict: Verdict::Faulted, skipped: 0, observation: None, child: None };
            }
        };
        let verdict = match &called.observation {
            Observation::InvalidArguments { .. } => Verdict::Invalid,
            Observation::Rejected { message, .. } => match called.refused_by {
                Some(step) => Verdict::Refused(step, message.clone()),
                None => Verdict::OverBudget,
            },
            Observation::Completed(_) => Verdict::Completed,
        };
        // Marks are looked for in the text; else results of calls that complete are looked at member by member.
        let result = match &called.observation {
            Observation::Completed(result) if called.changed || (self.marks.is_none() && self.rules.is_some()) => {
                result.value()
            }
            _ => Value::Null,
        };
        let child = called.changed.then(|| entry.after(self.reader, tool, arguments, state, &result));
        if let Some(rules) = self.rules {
            self.judge(rules, (index, tool), entry, arguments, (&called.observation, &result), child.as_ref());
            if self.marks.is_none() && !matches!(verdict, Verdict::Invalid | Verdict::OverBudget) {
                self.sample(index, entry, arguments, &called.observation, child.as_ref());
            }
        }
        Judged { verdict, skipped: called.skipped, observation: Some(called.observation), child }
    }

    fn faulted(
        &mut self,
        (index, tool): (usize, &Tool),
        entry: &Entry,
        arguments: &Map<String, Value>,
        err: &ExecuteError,
    ) {
        if self.marks.is_some() {
            return;
        }
        let (line, message) = match err {
            ExecuteError::Fault { line, message } => (*line, message.clone()),
            ExecuteError::Deadline => (0, err.to_string()),
        };
        let place = Place { tool: index, what: &line.to_string(), line: if line > 0 { line } else { tool.line() } };
        self.findings.add(Code::ToolFaults, place, entry.depth, || {
            format!("{}: {}", told(tool, entry, arguments), shortened(&message))
        });
    }

    fn judge(
        &mut self,
        rules: &Rules,
        (index, tool): (usize, &Tool),
        entry: &Arc<Entry>,
        arguments: &Map<String, Value>,
        (observation, result): (&Observation, &Value),
        child: Option<&Arc<Entry>>,
    ) {
        let made = Made { environment: self.environment, reader: self.reader, index, tool, entry, arguments, child };
        if let Some(marks) = &self.marks {
            marks.check(&made, observation, &mut self.findings);
            return;
        }
        match observation {
            Observation::InvalidArguments { .. } => {}
            Observation::Rejected { code, message } => {
                let is_guard = tool
                    .program()
                    .steps
                    .iter()
                    .any(|step| matches!(&step.action, Action::Guard { refusal, .. } if refusal.code == *code));
                if !is_guard {
                    let call = || format!("{}: {code}: {message}", told(tool, entry, arguments));
                    let place = Place { tool: index, what: code, line: tool.line() };
                    self.findings.add(Code::ToolOverBudget, place, entry.depth, call);
                }
            }
            Observation::Completed(_) => {
                self.conforms(rules, (index, tool), entry, arguments, result);
                rules.private.shown(&made, result, &mut self.findings);
                rules.private.changed(&made, &mut self.findings);
            }
        }
    }

    fn conforms(
        &mut self,
        rules: &Rules,
        (index, tool): (usize, &Tool),
        entry: &Entry,
        arguments: &Map<String, Value>,
        result: &Value,
    ) {
        let Some(Some(validator)) = rules.validators.get(index) else { return };
        if validator.is_valid(result) {
            return;
        }
        for error in validator.iter_errors(result) {
            let member = error.instance_path().as_str().split('/').nth(1).unwrap_or_default().to_owned();
            let place = Place {
                tool: index,
                what: error.schema_path().as_str(),
                line: member_line(tool, &member).unwrap_or(tool.line()),
            };
            let message = || {
                let path = error.instance_path();
                format!(
                    "{}: the result's {path} contradicts the output schema: {}",
                    told(tool, entry, arguments),
                    shortened(&error.to_string())
                )
            };
            self.findings.add(Code::ResultContradictsSchema, place, entry.depth, message);
        }
    }

    /// Keeps calls for repeating: every so manieth of each tool, and those with the longest observations, whose rows have an order.
    fn sample(
        &mut self,
        index: usize,
        entry: &Arc<Entry>,
        arguments: &Map<String, Value>,
        observation: &Observation,
        child: Option<&Arc<Entry>>,
    ) {
        const INTERVAL: u64 = 41;
        let text = observation.text();
        let samples = &mut self.samples[index];
        samples.calls += 1;
        let shortest =
            samples.longest.iter().map(|sample| sample.text.len()).enumerate().min_by_key(|(_, length)| *length);
        let is_regular = samples.calls % INTERVAL == 1 && samples.regular.len() < self.repeated;
        let replaced = match shortest {
            _ if is_regular => None,
            _ if samples.longest.len() < self.repeated_longest => None,
            Some((place, length)) if length < text.len() => Some(place),
            _ => return,
        };
        let sample = Sample {
            tool: index,
            entry: Arc::clone(entry),
            arguments: arguments.clone(),
            text: text.into_owned(),
            child: child.cloned(),
        };
        match replaced {
            Some(place) => samples.longest[place] = sample,
            None if is_regular => samples.regular.push(sample),
            None => samples.longest.push(sample),
        }
    }
}

fn member_line(tool: &Tool, name: &str) -> Option<usize> {
    tool.program().members.iter().find(|member| member.name == name).map(|member| member.query.line)
}
