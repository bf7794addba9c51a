//! What synthesis found, for people and programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::Options;
use crate::cli::Failure;
use crate::package::diagnostic::Diagnostic;
use crate::synth::{CaseSummary, Synthesized};

/// Reasons shown for a case.
const REASONS_SHOWN_MAX: usize = 3;

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Report {
    /// Environments in the folder.
    environments: usize,
    /// Of these, those made by this run.
    made: usize,
    /// Tools of those made.
    tools: usize,
    /// Tasks of those made.
    tasks: usize,
    findings: Vec<Counted>,
    /// With `--report`: how each case of each intent fared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    intents: Vec<IntentReport>,
    /// With `--report`: what drawn data didn't allow, with the number of draws; data is drawn again then, which takes time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    out_of_reach: Vec<Counted>,
    #[serde(skip)]
    out: String,
}

/// A finding with how many variants, or draws of data, have it.
#[derive(Debug, Serialize, JsonSchema)]
struct Counted {
    #[serde(flatten)]
    finding: Diagnostic,
    count: usize,
}

/// An intent's case over all variants of its blueprint.
#[derive(Debug, Serialize, JsonSchema)]
struct IntentReport {
    blueprint: String,
    #[serde(flatten)]
    summary: CaseSummary,
    variants: usize,
}

impl Report {
    pub(super) fn new(findings: Vec<Diagnostic>, made: Vec<Synthesized>, before: usize, options: &Options) -> Self {
        let mut report = Self {
            environments: made.len() + before,
            made: made.len(),
            tools: made.iter().map(|made| made.tools).sum(),
            tasks: made.iter().map(|made| made.tasks).sum(),
            findings: Vec::new(),
            intents: Vec::new(),
            out_of_reach: Vec::new(),
            out: options.out.as_ref().map(|out| out.display().to_string()).unwrap_or_default(),
        };
        for finding in findings {
            report.add(finding);
        }
        let mut intents: BTreeMap<(String, String), IntentReport> = BTreeMap::new();
        for made in made {
            let blueprint = made.name.rsplit_once('_').map_or(made.name.clone(), |(blueprint, _)| blueprint.to_owned());
            made.findings.into_iter().for_each(|finding| report.add(finding));
            if options.report {
                made.out_of_reach.into_iter().for_each(|finding| report.add_out_of_reach(finding));
            }
            for case in made.cases {
                let entry = intents.entry((blueprint.clone(), case.name.clone())).or_insert_with(|| IntentReport {
                    blueprint: blueprint.clone(),
                    summary: CaseSummary { rows: 0, tried: 0, worked: 0, used: 0, reasons: Vec::new(), ..case.clone() },
                    variants: 0,
                });
                entry.variants += 1;
                entry.summary.rows += case.rows;
                entry.summary.tried += case.tried;
                entry.summary.worked += case.worked;
                entry.summary.used += case.used;
                for (reason, count) in case.reasons {
                    match entry.summary.reasons.iter_mut().find(|(known, _)| *known == reason) {
                        Some((_, known)) => *known += count,
                        None => entry.summary.reasons.push((reason, count)),
                    }
                }
            }
        }
        report.intents = if options.report { intents.into_values().collect() } else { Vec::new() };
        report
    }

    /// Adds a finding; the same one of several variants counts once.
    fn add(&mut self, finding: Diagnostic) {
        // What stands in brackets differs between variants: places of the compiled file.
        count(&mut self.findings, finding, |finding| {
            finding.message.rsplit_once(" (").map_or(finding.message.as_str(), |(head, _)| head).to_owned()
        });
    }

    /// Adds what a draw didn't allow; the same place counts once, since its message tells the calls of one walk.
    fn add_out_of_reach(&mut self, finding: Diagnostic) {
        count(&mut self.out_of_reach, finding, |_| String::new());
    }

    pub(super) fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }

    pub(super) fn to_json(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|err| Failure::internal(err.to_string()))?;
        Ok(format!("{text}\n"))
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for counted in &self.findings {
            let finding = &counted.finding;
            let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
            // Writing to a text can't fail.
            let _ = writeln!(
                text,
                "{}{line}: {}: {} [{} x]\n    hint: {}",
                finding.file,
                finding.code.as_str(),
                finding.message,
                counted.count,
                finding.hint
            );
        }
        for intent in &self.intents {
            let summary = &intent.summary;
            let _ = writeln!(
                text,
                "{} {}: {} rows in {} variants, {} of {} plans worked, {} tasks",
                intent.blueprint,
                summary.name,
                summary.rows,
                intent.variants,
                summary.worked,
                summary.tried,
                summary.used
            );
            let mut reasons = summary.reasons.clone();
            reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            for (reason, count) in reasons.iter().take(REASONS_SHOWN_MAX) {
                let _ = writeln!(text, "    {count} x {reason}");
            }
        }
        for Counted { finding, count } in &self.out_of_reach {
            let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
            let _ =
                writeln!(text, "{}{line}: out of reach in {count} draws of data: {}", finding.file, finding.message);
        }
        let findings = match self.findings.len() {
            0 => "no finding".to_owned(),
            count => format!("{count} findings"),
        };
        let _ = writeln!(
            text,
            "{} environments in {} ({} made now, with {} tools and {} tasks): {findings}",
            self.environments, self.out, self.made, self.tools, self.tasks
        );
        text
    }
}

/// Counts a finding with those of the same rule, place and message, as `told` tells messages apart.
fn count(counted: &mut Vec<Counted>, finding: Diagnostic, told: impl Fn(&Diagnostic) -> String) {
    let essence = |finding: &Diagnostic| (finding.code, finding.file.clone(), finding.line, told(finding));
    let new = essence(&finding);
    match counted.iter_mut().find(|known| essence(&known.finding) == new) {
        Some(known) => known.count += 1,
        None => counted.push(Counted { finding, count: 1 }),
    }
}
