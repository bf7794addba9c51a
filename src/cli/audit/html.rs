//! An audit as a page with plots: one file, no script, no other resource, light or dark as the reader's system is.

use std::fmt::Write;

use super::plots;
use crate::proof::audit::Attack;
use crate::proof::audit::report::{Audit, EnvironmentAudit, Neighbour, TaskAudit};

const STYLE: &str = include_str!("page.css");

/// Findings shown for one environment.
const FINDINGS_SHOWN_MAX: usize = 50;

/// The page.
pub(super) fn page(audit: &Audit) -> String {
    let totals = audit.totals;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>envfarm audit</title>\n<style>\n{STYLE}</style>\n<main>\n<h1>Audit</h1>\n<p class=\"lead\">{} environments of {} \
         families, {} tools, {} tasks. <b class=\"{}\">{} findings, {} targets missed.</b></p>\n",
        totals.environments,
        totals.families,
        totals.tools,
        totals.tasks,
        if totals.findings + totals.missed == 0 { "met" } else { "missed" },
        totals.findings,
        totals.missed
    );
    targets(&mut page, audit);
    sizes(&mut page, audit);
    verdicts(&mut page, audit);
    neighbours(&mut page, audit);
    environments(&mut page, audit);
    findings(&mut page, audit);
    page.push_str("</main>\n</html>\n");
    page
}

/// A text in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

// Writing to a text can't fail, so what `write!` gives is left alone below.

fn targets(page: &mut String, audit: &Audit) {
    page.push_str("<h2>Targets</h2>\n<table>\n<tr><th>what<th class=\"n\">measured<th>wanted<th></tr>\n");
    for target in &audit.targets {
        let (class, met) = match target.met {
            Some(true) => ("met", "met"),
            Some(false) => ("missed", "missed"),
            None => ("", ""),
        };
        let _ = writeln!(
            page,
            "<tr><td>{}<td class=\"n\">{}<td>{}<td class=\"{class}\">{met}</tr>",
            escaped(&target.name),
            escaped(&target.shown),
            escaped(&target.target)
        );
    }
    page.push_str("</table>\n");
}

fn sizes(page: &mut String, audit: &Audit) {
    let of = |size: fn(&EnvironmentAudit) -> usize| audit.environments.iter().map(size).collect::<Vec<_>>();
    let tasks = || audit.environments.iter().flat_map(|environment| &environment.tasks);
    let facts =
        |fact: fn(&TaskAudit) -> Option<u32>| tasks().filter_map(fact).map(|fact| fact as usize).collect::<Vec<_>>();
    let plots = [
        ("Tools of an environment", of(|environment| environment.tools)),
        ("Tables of an environment", of(|environment| environment.tables)),
        ("Rows of an environment", of(|environment| environment.rows)),
        ("Calls of a solution", facts(|task| Some(task.facts?.calls))),
        ("Distinct tools of a solution", facts(|task| Some(task.facts?.tools))),
        ("Hops of a solution", facts(|task| Some(task.facts?.hops))),
        ("Changes of a solution", facts(|task| Some(task.facts?.writes))),
        ("Ids in sight of a solution", facts(|task| Some(task.facts?.in_sight))),
    ];
    page.push_str("<h2>Sizes</h2>\n<div class=\"plots\">\n");
    for (title, numbers) in plots {
        let _ = writeln!(page, "<figure><figcaption>{title}</figcaption>{}</figure>", plots::histogram(&numbers));
    }
    page.push_str("</div>\n");
}

fn verdicts(page: &mut String, audit: &Audit) {
    page.push_str(
        "<h2>Verdicts</h2>\n<p>How attempts to earn a reward without the work ended: <i class=\"passes\">rewarded</i>, \
         <i class=\"state\">wrong state</i>, <i class=\"answer\">wrong answer</i>.</p>\n<table>\n\
         <tr><th>attempt<th class=\"n\">attempts<th class=\"n\">rewarded<th class=\"wide\"></tr>\n",
    );
    for attack in Attack::ALL {
        let Some(tried) = audit.attacks.get(&attack) else { continue };
        let bar = plots::parts(&[
            ("passes", "rewarded", tried.passes),
            ("state", "wrong state", tried.wrong_state),
            ("answer", "wrong answer", tried.wrong_answer),
        ]);
        let _ = writeln!(
            page,
            "<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td>{bar}</tr>",
            escaped(attack.name()),
            tried.attempts,
            tried.passes
        );
    }
    let mutants = audit.mutants;
    let bar = plots::parts(&[
        ("passes", "rewarded", mutants.rewarded as u64),
        ("state", "ended elsewhere, nothing earned", (mutants.executed - mutants.rewarded) as u64),
        ("answer", "refused", mutants.refused as u64),
        ("same", "ended in the solution's state", mutants.equivalent as u64),
    ]);
    let all = mutants.executed + mutants.refused + mutants.equivalent;
    let _ = writeln!(
        page,
        "<tr><td>a changed argument<td class=\"n\">{all}<td class=\"n\">{}<td>{bar}</tr>\n</table>",
        mutants.rewarded
    );
}

fn neighbours(page: &mut String, audit: &Audit) {
    let of = |nearest: fn(&EnvironmentAudit) -> Option<&Neighbour>| {
        audit.environments.iter().filter_map(nearest).map(|found| found.similarity).collect::<Vec<_>>()
    };
    let alike: Vec<f64> =
        audit.environments.iter().filter_map(|environment| Some(environment.alike.as_ref()?.similarity)).collect();
    let plots = [
        ("Tool names, nearest of other families", of(|one| one.other_families.tool_names.as_ref()), Some(0.40)),
        ("Tool names, nearest of the same family", of(|one| one.same_family.tool_names.as_ref()), Some(0.85)),
        ("Statements, nearest of other families", of(|one| one.other_families.programs.as_ref()), Some(0.80)),
        ("Tables, nearest of other families", of(|one| one.other_families.schema.as_ref()), None),
        ("Instructions, the two most alike of an environment", alike, Some(0.90)),
    ];
    page.push_str(
        "<h2>Nearest neighbours</h2>\n<p>What an environment and the one nearest to it have in common of what either has \
         (Jaccard index); for instructions, one less the edit distance over the length. The line is the limit.</p>\n<div class=\"plots\">\n",
    );
    for (title, similarities, limit) in plots {
        let plot = plots::shares(&similarities, limit);
        let _ = writeln!(page, "<figure><figcaption>{title}</figcaption>{plot}</figure>");
    }
    page.push_str("</div>\n");
}

fn environments(page: &mut String, audit: &Audit) {
    page.push_str(
        "<h2>Gates by environment</h2>\n<div class=\"scroll\"><table>\n<tr><th>environment<th class=\"n\">tables<th class=\"n\">rows\
         <th class=\"n\">tools<th class=\"n\">own<th class=\"n\">exercised<th class=\"n\">refusals reached<th class=\"n\">tasks\
         <th class=\"n\">replays<th class=\"n\">keys intact<th class=\"n\">mutants caught<th class=\"n\">attacks rewarded\
         <th class=\"n\">findings</tr>\n",
    );
    for one in &audit.environments {
        let tasks = one.tasks.len();
        let rewarded: u64 = one
            .attacks
            .iter()
            .filter(|(attack, _)| !matches!(attack, Attack::Random | Attack::ReadOnlyGuess))
            .map(|(_, tried)| tried.passes)
            .sum();
        let own = one.own_tools.map_or_else(|| "-".to_owned(), |own| own.to_string());
        let caught = one.mutants.executed - one.mutants.rewarded;
        let _ = write!(
            page,
            "<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{own}",
            escaped(&one.name),
            one.tables,
            one.rows,
            one.tools
        );
        for (part, whole) in [
            (one.tools_exercised, one.tools),
            (one.guards_reached, one.guards),
            (tasks, tasks),
            (one.replays_identical, tasks),
            (one.references_intact, tasks),
            (caught, one.mutants.executed),
        ] {
            let class = if part == whole { "n" } else { "n missed" };
            let _ = if part == whole {
                write!(page, "<td class=\"{class}\">{part}")
            } else {
                write!(page, "<td class=\"{class}\">{part} of {whole}")
            };
        }
        for count in [rewarded, one.findings.len() as u64] {
            let _ = write!(page, "<td class=\"{}\">{count}", if count == 0 { "n" } else { "n missed" });
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}

fn findings(page: &mut String, audit: &Audit) {
    if audit.totals.findings == 0 {
        return;
    }
    page.push_str("<h2>Findings</h2>\n");
    for one in audit.environments.iter().filter(|one| !one.findings.is_empty()) {
        let _ = writeln!(page, "<details><summary>{}: {}</summary>\n<table>", escaped(&one.name), one.findings.len());
        for finding in one.findings.iter().take(FINDINGS_SHOWN_MAX) {
            let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
            let _ = writeln!(
                page,
                "<tr><td>{}<td>{}{line}<td>{}<br><small>{}</small></tr>",
                finding.code.as_str(),
                escaped(&finding.file),
                escaped(&finding.message),
                escaped(&finding.hint)
            );
        }
        if one.findings.len() > FINDINGS_SHOWN_MAX {
            let _ = writeln!(page, "<tr><td>and {} more</tr>", one.findings.len() - FINDINGS_SHOWN_MAX);
        }
        page.push_str("</table></details>\n");
    }
}
