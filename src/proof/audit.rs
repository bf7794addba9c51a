//! Audit: what a whole set of packages is worth, in numbers, and everything that is wrong with it.
#![doc = include_str!("AUDIT.md")]

mod attacks;
mod crud;
mod instructions;
pub mod report;
mod shapes;
mod similar;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use self::attacks::Attacks;
pub use self::attacks::{Attack, Tried};
use self::instructions::Sentences;
use self::report::{Audit, EnvironmentAudit, Mutants, Nearest, SideCounts, SplitCounts, TaskAudit};
use self::similar::Print;
use super::task_gates::{Gates, Outcome};
use super::transcript::transcripts;
use super::walk::{Effort, Walk, integrity};
use super::{facts, proven};
use crate::engine::environment::Environment;
use crate::engine::program::Action;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::OriginFile;
use crate::package::split::{self, Split};
use crate::package::{SCHEMA_FILE, TASKS_FILE, TOOLS_FILE, folder_name};

/// One package, audited by itself: its report, and what it is compared with others by. The environment is gone.
#[derive(Debug, Default)]
pub struct Audited {
    report: EnvironmentAudit,
    print: Print,
    sentences: Sentences,
    /// Tasks by side.
    sides: [usize; 2],
    transcripts: BTreeMap<String, String>,
}

/// Audits the package in `directory` by itself. Every task is attacked by `seeds` agents that act at random; `progress` is told
/// what is being done.
pub fn package(directory: &Path, seeds: u64, progress: &dyn Fn(&str)) -> Audited {
    progress("loading");
    let loaded = Environment::load(directory);
    let mut audited = Audited::default();
    audited.report.name = folder_name(directory);
    audited.print.family.clone_from(&audited.report.name);
    audited.report.findings = loaded.diagnostics;
    if let Some(environment) = loaded.environment {
        audited.describe(&environment);
        audited.execute(&environment, seeds, progress);
    }
    // Stable: findings at one place stay in the order in which the rules look.
    audited.report.findings.sort_by_key(|finding| (crate::package::file_order(&finding.file), finding.line));
    audited
}

/// Audits a set of packages, each of which has been audited by itself.
pub fn set(mut audited: Vec<Audited>) -> Audit {
    audited.sort_by(|left, right| left.report.name.cmp(&right.report.name));
    compare(&mut audited);
    let mut audit = Audit {
        instructions: instructions::count(audited.iter().map(|one| &one.sentences)),
        split: split_counts(&audited),
        ..Audit::default()
    };
    for one in audited {
        audit.add(one.report);
    }
    audit.totals.families =
        audit.environments.iter().map(|one| one.family.as_ref().unwrap_or(&one.name)).collect::<BTreeSet<_>>().len();
    audit.targets = targets::all(&audit);
    audit.totals.missed = audit.targets.iter().filter(|target| target.met == Some(false)).count();
    audit
}

/// What there is of `part` in `whole`; none where that is nothing.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Audit {
    fn add(&mut self, environment: EnvironmentAudit) {
        let totals = &mut self.totals;
        totals.environments += 1;
        totals.loaded += usize::from(environment.loaded);
        totals.tables += environment.tables;
        totals.rows += environment.rows;
        totals.tools += environment.tools;
        totals.tasks += environment.tasks.len();
        totals.findings += environment.findings.len();
        self.mutants += environment.mutants;
        for (attack, tried) in &environment.attacks {
            *self.attacks.entry(*attack).or_default() += *tried;
        }
        self.environments.push(environment);
    }
}

impl Audited {
    /// Whether the package could be loaded.
    pub fn is_loaded(&self) -> bool {
        self.report.loaded
    }

    /// Compares what the solutions show with what they show in another process, where the package was loaded anew.
    pub fn compare_transcripts(&mut self, elsewhere: &BTreeMap<String, String>) {
        let same = self.transcripts.iter().filter(|(task, digest)| elsewhere.get(*task) == Some(*digest));
        self.report.replays_identical = same.count();
        for (task, _) in self.transcripts.iter().filter(|(task, digest)| elsewhere.get(*task) != Some(*digest)) {
            let message = format!("{task}: the solution's observations differ in another process");
            self.report.findings.push(Diagnostic::new(Code::NotDeterministic, TASKS_FILE, 0, message));
        }
    }

    /// What can be told without calling anything.
    fn describe(&mut self, environment: &Environment) {
        let report = &mut self.report;
        let package = environment.package();
        report.loaded = true;
        report.family = package.environment.family.as_ref().map(|family| family.value.clone());
        report.tables = environment.tables();
        report.rows = environment.rows();
        report.tools = environment.tools().len();
        report.tools_beyond_crud = crud::tools_beyond(environment);
        let own = |origin: &OriginFile| origin.tools.values().filter(|from| from.value == "own").count();
        report.own_tools = package.origin.as_ref().map(own);
        let called = environment.tasks().values().flat_map(|task| task.solution()).map(|call| &call.tool);
        report.tools_in_tasks = called.collect::<BTreeSet<_>>().len();
        report.alike = instructions::alike(environment);
        if let Some(family) = &report.family {
            self.print.family.clone_from(family);
        }
        self.print.tools = environment.tools().keys().map(ToString::to_string).collect();
        self.print.shapes = shapes::of(environment);
        self.sentences = instructions::sentences(environment);
        for task in environment.tasks().keys() {
            let side = split::of(report.family.as_deref(), environment.name().as_ref(), task.as_ref());
            self.sides[usize::from(side == Split::HeldOut)] += 1;
        }
        let alike = report.alike.iter().filter(|alike| alike.similarity > targets::ALIKE_MAX);
        report.findings.extend(alike.map(|alike| {
            let [one, other] = &alike.tasks;
            let message = format!("the instructions of {one} and {other} are {:.2} alike", alike.similarity);
            Diagnostic::new(Code::InstructionsAlike, TASKS_FILE, 0, message)
        }));
        report.findings.extend(targets::sizes(report, environment.tasks().len()));
    }

    /// What is told by calling tools and playing solutions.
    fn execute(&mut self, environment: &Arc<Environment>, seeds: u64, progress: &dyn Fn(&str)) {
        let mut attacks = Attacks::default();
        let mut played: BTreeMap<String, Played> = BTreeMap::new();
        let mut look = |gates: &Gates<'_>, outcome: &Outcome, walk: &Walk| {
            attacks.attack(environment, gates, walk, seeds);
            played.insert(gates.task.name().to_string(), Played::new(environment, gates, outcome));
        };
        let (findings, walk) = proven(environment, Effort::BRIEF, progress, &mut look);
        self.report.findings.extend(findings);
        self.report.findings.extend(attacks.findings);
        self.report.attacks = attacks.tried;
        let origin = environment.package().origin.as_ref();
        for (name, task) in environment.tasks() {
            let origin = origin.and_then(|origin| origin.tasks.get(name.as_ref()));
            let played = played.remove(name.as_ref());
            self.report.tasks.push(TaskAudit {
                name: name.to_string(),
                has_answer: task.has_answer(),
                facts: played.as_ref().map(|played| played.facts),
                kind: origin.map(|origin| origin.kind),
                intents: origin.map(|origin| origin.intents.clone()).unwrap_or_default(),
                own_rule: origin.map(|origin| origin.own_rule),
            });
            if let Some(played) = played {
                self.report.mutants += played.mutants;
                self.report.references_intact += usize::from(played.broken.is_empty());
                self.report.findings.extend(played.broken);
            }
        }
        self.reached(environment, &walk);
        self.transcripts = transcripts(environment);
    }

    fn reached(&mut self, environment: &Environment, walk: &Walk) {
        for (tool, tally) in environment.tools().values().zip(walk.tools.values()) {
            let steps = tool.program().steps.iter().enumerate();
            let guards = steps.filter(|(_, step)| matches!(step.action, Action::Guard { .. })).map(|(index, _)| index);
            let guards: Vec<usize> = guards.collect();
            self.report.guards += guards.len();
            self.report.guards_reached += guards.iter().filter(|step| tally.refusals.contains_key(step)).count();
            self.report.tools_exercised += usize::from(tally.successes > 0);
            self.report.walk_calls += tally.calls;
        }
    }
}

/// What is kept of a task when its gates are gone.
struct Played {
    facts: crate::package::files::Facts,
    mutants: Mutants,
    broken: Vec<Diagnostic>,
}

impl Played {
    fn new(environment: &Environment, gates: &Gates<'_>, outcome: &Outcome) -> Self {
        let mutants = &outcome.mutants;
        let broken = integrity(environment, &gates.played.state).into_iter().map(|problem| {
            let message = format!("{problem} after the solution of {}", gates.task.name());
            Diagnostic::new(Code::IntegrityBroken, SCHEMA_FILE, 0, message)
        });
        Self {
            facts: facts::of(gates.task, &gates.played),
            mutants: Mutants {
                executed: mutants.executed,
                rewarded: mutants.rewarded,
                refused: mutants.refused,
                equivalent: mutants.equivalent,
            },
            broken: broken.collect(),
        }
    }
}

/// Finds what is nearest to each environment, and reports what is too near.
fn compare(audited: &mut [Audited]) {
    let loaded: Vec<usize> = (0..audited.len()).filter(|index| audited[*index].report.loaded).collect();
    let names: Vec<&str> = loaded.iter().map(|index| audited[*index].report.name.as_str()).collect();
    let prints: Vec<&Print> = loaded.iter().map(|index| &audited[*index].print).collect();
    let nearest = similar::nearest(&names, &prints);
    for (index, (other, same)) in loaded.into_iter().zip(nearest) {
        let report = &mut audited[index].report;
        report.findings.extend(too_near(&report.name, &other, &same));
        (report.other_families, report.same_family) = (other, same);
    }
}

fn too_near(name: &str, other: &Nearest, same: &Nearest) -> Vec<Diagnostic> {
    let measures = [
        (&other.tool_names, targets::TOOL_NAMES_OTHER_FAMILY_MAX, TOOLS_FILE, "names of tools", "of another family"),
        (&same.tool_names, targets::TOOL_NAMES_SAME_FAMILY_MAX, TOOLS_FILE, "names of tools", "of the same family"),
        (&other.programs, targets::PROGRAMS_OTHER_FAMILY_MAX, TOOLS_FILE, "shapes of statements", "of another family"),
    ];
    let mut findings = Vec::new();
    for (nearest, most, file, what, whose) in measures {
        let Some(nearest) = nearest.as_ref().filter(|nearest| nearest.similarity > most + 1e-9) else { continue };
        let message = format!(
            "{name} shares {:.2} of its {what} with {}, which is {whose}; at most {most:.2} are wanted",
            nearest.similarity, nearest.name
        );
        findings.push(Diagnostic::new(Code::NearDuplicate, file, 0, message));
    }
    findings
}

fn split_counts(audited: &[Audited]) -> SplitCounts {
    let mut families: [BTreeSet<&str>; 2] = Default::default();
    let mut counts: [SideCounts; 2] = Default::default();
    for one in audited {
        for side in 0..2 {
            if one.sides[side] > 0 {
                families[side].insert(&one.print.family);
                counts[side].environments += 1;
                counts[side].tasks += one.sides[side];
            }
        }
    }
    let named: BTreeSet<&str> = audited.iter().filter_map(|one| one.report.family.as_deref()).collect();
    // An environment without a family has tasks on both sides, which is as it should be.
    let both = families[0].intersection(&families[1]).filter(|family| named.contains(*family));
    let families_on_both_sides = both.map(|family| (*family).to_owned()).collect();
    for side in 0..2 {
        counts[side].families = families[side].len();
    }
    let [train, held_out] = counts;
    SplitCounts { train, held_out, families_on_both_sides }
}
