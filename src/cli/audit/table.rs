//! An audit for people at a terminal: the targets as a table, the attacks, and findings with what to do.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::package::diagnostic::Diagnostic;
use crate::proof::audit::report::{Audit, Target};

/// Findings shown of one code; the rest are counted.
const FINDINGS_SHOWN_MAX: usize = 5;

/// The whole report.
pub(super) fn text(audit: &Audit) -> String {
    let mut text = String::new();
    targets(&mut text, &audit.targets);
    findings(&mut text, audit);
    let totals = audit.totals;
    // Writing to a text can't fail.
    let _ = writeln!(
        text,
        "{} environments of {} families, {} tools, {} tasks: {}, {}",
        totals.environments,
        totals.families,
        totals.tools,
        totals.tasks,
        counted(totals.findings, "finding"),
        match totals.missed {
            0 => "every target met".to_owned(),
            missed => format!("{} missed", counted(missed, "target")),
        }
    );
    text
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn targets(text: &mut String, targets: &[Target]) {
    let width = |of: fn(&Target) -> &String| targets.iter().map(|target| of(target).chars().count()).max().unwrap_or(0);
    let (names, measured) = (width(|target| &target.name), width(|target| &target.shown));
    let wanted = width(|target| &target.target);
    for target in targets {
        let met = match target.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let line = format!("{:names$}  {:>measured$}  {:wanted$}  {met}", target.name, target.shown, target.target);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

/// The findings by code, the most frequent first.
fn findings(text: &mut String, audit: &Audit) {
    let mut by_code: BTreeMap<&str, Vec<(&str, &Diagnostic)>> = BTreeMap::new();
    for environment in &audit.environments {
        for finding in &environment.findings {
            by_code.entry(finding.code.as_str()).or_default().push((&environment.name, finding));
        }
    }
    let mut codes: Vec<_> = by_code.into_iter().collect();
    codes.sort_by_key(|(code, found)| (std::cmp::Reverse(found.len()), *code));
    for (code, found) in codes {
        let _ = writeln!(text, "{code}: {}", counted(found.len(), "finding"));
        for (name, finding) in found.iter().take(FINDINGS_SHOWN_MAX) {
            let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
            let _ = writeln!(text, "  {name}/{}{line} {}", finding.file, finding.message);
        }
        if found.len() > FINDINGS_SHOWN_MAX {
            let _ = writeln!(text, "  and {} more; --json has them all", found.len() - FINDINGS_SHOWN_MAX);
        }
        if let Some((_, finding)) = found.first() {
            let _ = writeln!(text, "  hint: {}", finding.hint);
        }
        text.push('\n');
    }
}
