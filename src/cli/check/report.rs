//! What `envfarm check` reports, as a document and as text.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use owo_colors::{OwoColorize, Stream, Style};
use schemars::JsonSchema;
use serde::Serialize;

use crate::package::diagnostic::{Diagnostic, Severity};

/// The document that `envfarm check --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Report {
    /// One entry for each package, in the order in which they were named, those of a folder by name.
    pub(super) environments: Vec<EnvironmentReport>,
    /// Sums over all packages.
    pub(super) totals: Totals,
}

/// What was found in one package.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EnvironmentReport {
    /// Name of the environment: the name of the package's folder.
    pub(super) name: String,
    /// Tables, virtual tables and their shadow tables not counted.
    pub(super) tables: usize,
    /// Rows of those tables at the start.
    pub(super) rows: usize,
    /// Tools.
    pub(super) tools: usize,
    /// Tasks.
    pub(super) tasks: usize,
    /// All findings, by file and line.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Where the package is.
    #[serde(skip)]
    pub(super) directory: PathBuf,
}

/// Sums over all packages.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Totals {
    /// Packages.
    pub(super) environments: usize,
    /// Tables.
    pub(super) tables: usize,
    /// Rows.
    pub(super) rows: usize,
    /// Tools.
    pub(super) tools: usize,
    /// Tasks.
    pub(super) tasks: usize,
    /// Findings of either severity.
    pub(super) diagnostics: usize,
    /// Findings that are errors.
    pub(super) errors: usize,
    /// Findings that are warnings.
    pub(super) warnings: usize,
}

impl Report {
    /// A report on these packages.
    pub(super) fn new(environments: Vec<EnvironmentReport>) -> Self {
        let mut totals = Totals { environments: environments.len(), ..Totals::default() };
        for environment in &environments {
            totals.tables += environment.tables;
            totals.rows += environment.rows;
            totals.tools += environment.tools;
            totals.tasks += environment.tasks;
            totals.diagnostics += environment.diagnostics.len();
            totals.errors += environment.count(Severity::Error);
            totals.warnings += environment.count(Severity::Warning);
        }
        Self { environments, totals }
    }

    /// The report for a person.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for environment in &self.environments {
            environment.describe(&mut text);
        }
        let totals = &self.totals;
        let _ = writeln!(
            text,
            "{}, {}, {}: {}",
            plural(totals.environments, "environment"),
            plural(totals.tools, "tool"),
            plural(totals.tasks, "task"),
            outcome(totals.errors, totals.warnings),
        );
        text
    }
}

impl EnvironmentReport {
    fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|finding| finding.severity == severity).count()
    }

    fn describe(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "{}: {}, {}, {}, {}: {}",
            self.name.if_supports_color(Stream::Stdout, |name| name.bold()),
            plural(self.tables, "table"),
            plural(self.rows, "row"),
            plural(self.tools, "tool"),
            plural(self.tasks, "task"),
            outcome(self.count(Severity::Error), self.count(Severity::Warning)),
        );
        for finding in &self.diagnostics {
            describe(text, &self.directory, finding);
        }
        if !self.diagnostics.is_empty() {
            text.push('\n');
        }
    }
}

fn describe(text: &mut String, directory: &Path, finding: &Diagnostic) {
    let (word, style) = match finding.severity {
        Severity::Error => ("error", Style::new().red().bold()),
        Severity::Warning => ("warning", Style::new().yellow().bold()),
    };
    let label = format!("{word}[{}]", finding.code.as_str());
    let place = directory.join(&finding.file);
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let _ = writeln!(
        text,
        "  {} {}{line}\n    {}",
        label.if_supports_color(Stream::Stdout, |label| label.style(style)),
        place.display(),
        finding.message.replace('\n', "\n    "),
    );
    if !finding.hint.is_empty() {
        let label = "hint:";
        let label = label.if_supports_color(Stream::Stdout, |label| label.cyan());
        let _ = writeln!(text, "    {label} {}", finding.hint);
    }
}

fn outcome(errors: usize, warnings: usize) -> String {
    match (errors, warnings) {
        (0, 0) => "no finding".if_supports_color(Stream::Stdout, |text| text.green()).to_string(),
        (errors, 0) => plural(errors, "error"),
        (0, warnings) => plural(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
