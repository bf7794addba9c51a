//! What a set of environments should be, and what it is.

use super::attacks::{Attack, Tried};
use super::report::{Audit, EnvironmentAudit, Nearest, Target, TaskAudit};
use super::share;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::{Facts, TaskKind};
use crate::package::{DATA_FILE, SCHEMA_FILE, TASKS_FILE, TOOLS_FILE};

/// Tools of every environment: enough for choosing among them to be work, few enough for an agent's context.
const TOOLS: (usize, usize) = (34, 40);
/// Tools on average: the reference system has 35.1.
const TOOLS_MEAN: (f64, f64) = (34.0, 37.0);
/// Tables of every environment at least.
const TABLES_MIN: usize = 14;
/// Rows of every environment at least, so that there is something to confuse the right one with.
const ROWS_MIN: usize = 150;
/// Tasks of every environment.
const TASKS: usize = 10;
/// Share of tools that do more than create, read, update or delete rows of one table.
const BEYOND_CRUD_MIN: f64 = 0.5;
/// Share of tools that are a blueprint's own.
const OWN_TOOLS_MIN: f64 = 0.6;
/// Share of tasks that need a rule of the blueprint's own.
const OWN_RULE_MIN: f64 = 0.5;
/// Calls of a solution on average.
const CALLS_MEAN_MIN: f64 = 6.0;
/// Distinct tools of a solution on average.
const DISTINCT_TOOLS_MEAN_MIN: f64 = 5.0;
/// Calls of a solution that is among the longest tenth.
const CALLS_TOP_TENTH_MIN: f64 = 11.0;
/// Share of tasks with an answer.
const ANSWERS: (f64, f64) = (0.25, 0.40);
/// Share of tasks whose right outcome is to change nothing and say why.
const REFUSALS: (f64, f64) = (0.10, 0.15);
/// Share of guesses that may be lucky.
const LUCK_MAX: f64 = 0.005;
/// Share of changed arguments that end elsewhere and earn nothing.
const KILL_RATE_MIN: f64 = 0.99;
/// Names of tools that environments of different families may have in common (Jaccard index).
pub(super) const TOOL_NAMES_OTHER_FAMILY_MAX: f64 = 0.40;
/// Names of tools that environments of one family may have in common.
pub(super) const TOOL_NAMES_SAME_FAMILY_MAX: f64 = 0.85;
/// Shapes of statements that environments of different families may have in common: one that has more is another under new names.
pub(super) const PROGRAMS_OTHER_FAMILY_MAX: f64 = 0.80;
/// How alike two instructions of an environment may be.
pub(super) const ALIKE_MAX: f64 = 0.9;

/// What is wrong with the size of an environment.
pub(super) fn sizes(environment: &EnvironmentAudit, tasks: usize) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut report = |file: &str, message: String| {
        findings.push(Diagnostic::new(Code::SizeOutOfRange, file, 0, message));
    };
    let (fewest, most) = TOOLS;
    if !(fewest..=most).contains(&environment.tools) {
        report(TOOLS_FILE, format!("{} tools; {fewest} to {most} are wanted", environment.tools));
    }
    if environment.tables < TABLES_MIN {
        report(SCHEMA_FILE, format!("{} tables; at least {TABLES_MIN} are wanted", environment.tables));
    }
    if environment.rows < ROWS_MIN {
        report(DATA_FILE, format!("{} rows; at least {ROWS_MIN} are wanted", environment.rows));
    }
    if tasks != TASKS {
        report(TASKS_FILE, format!("{tasks} tasks; {TASKS} are wanted"));
    }
    findings
}

/// Everything that is measured.
pub(super) fn all(audit: &Audit) -> Vec<Target> {
    let mut targets = Targets { audit, list: Vec::new() };
    targets.sizes();
    targets.substance();
    targets.tasks();
    targets.proof();
    targets.attacks();
    targets.distinctness();
    targets.split();
    targets.list
}

/// A range without an end.
const MORE: f64 = f64::INFINITY;

/// How a number is shown.
#[derive(Debug, Clone, Copy)]
enum As {
    Count,
    Mean,
    Share,
    Similarity,
}

struct Targets<'t> {
    audit: &'t Audit,
    list: Vec<Target>,
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
impl Targets<'_> {
    /// Something measured that should be in a range.
    fn within(&mut self, name: &str, measured: Option<f64>, shown_as: As, (least, most): (f64, f64)) {
        let met = measured.map(|measured| (least - 1e-9..=most + 1e-9).contains(&measured));
        let target = match (least, most) {
            (least, most) if least == most => shown(least, shown_as),
            (least, most) if most.is_infinite() => format!(">= {}", shown(least, shown_as)),
            (least, most) if least.is_infinite() => format!("<= {}", shown(most, shown_as)),
            (least, most) => format!("{} to {}", shown(least, shown_as), shown(most, shown_as)),
        };
        self.push(name, measured, shown_as, target, met);
    }

    /// Something that is only told.
    fn told(&mut self, name: &str, measured: Option<f64>, shown_as: As) {
        self.push(name, measured, shown_as, String::new(), None);
    }

    fn push(&mut self, name: &str, measured: Option<f64>, shown_as: As, target: String, met: Option<bool>) {
        let shown = measured.map_or_else(|| "unknown".to_owned(), |measured| shown(measured, shown_as));
        self.list.push(Target { name: name.to_owned(), measured, shown, target, met });
    }

    fn loaded(&self) -> impl Iterator<Item = &EnvironmentAudit> {
        self.audit.environments.iter().filter(|environment| environment.loaded)
    }

    fn all_tasks(&self) -> impl Iterator<Item = &TaskAudit> {
        self.loaded().flat_map(|environment| &environment.tasks)
    }

    fn sizes(&mut self) {
        let totals = self.audit.totals;
        let loaded = share(totals.loaded, totals.environments);
        self.within("environments that load", loaded, As::Share, (1.0, 1.0));
        let of = |size: fn(&EnvironmentAudit) -> usize| self.loaded().map(size).collect::<Vec<usize>>();
        let (tools, tables) = (of(|environment| environment.tools), of(|environment| environment.tables));
        let (rows, tasks) = (of(|environment| environment.rows), of(|environment| environment.tasks.len()));
        let least = |sizes: &[usize]| sizes.iter().min().map(|least| *least as f64);
        let most = |sizes: &[usize]| sizes.iter().max().map(|most| *most as f64);
        self.within("tools of an environment, fewest", least(&tools), As::Count, (TOOLS.0 as f64, TOOLS.1 as f64));
        self.within("tools of an environment, most", most(&tools), As::Count, (TOOLS.0 as f64, TOOLS.1 as f64));
        self.within("tools of an environment, mean", mean(&tools), As::Mean, TOOLS_MEAN);
        self.within("tables of an environment, fewest", least(&tables), As::Count, (TABLES_MIN as f64, MORE));
        self.told("tables of an environment, mean", mean(&tables), As::Mean);
        self.within("rows of an environment, fewest", least(&rows), As::Count, (ROWS_MIN as f64, MORE));
        self.told("rows of an environment, mean", mean(&rows), As::Mean);
        self.within("tasks of an environment, fewest", least(&tasks), As::Count, (TASKS as f64, TASKS as f64));
        self.within("tasks of an environment, most", most(&tasks), As::Count, (TASKS as f64, TASKS as f64));
    }

    fn substance(&mut self) {
        let sum = |count: fn(&EnvironmentAudit) -> usize| self.loaded().map(count).sum::<usize>();
        let beyond = share(sum(|environment| environment.tools_beyond_crud), sum(|environment| environment.tools));
        let with_origin = || self.loaded().filter_map(|environment| Some((environment.own_tools?, environment.tools)));
        let own = share(with_origin().map(|(own, _)| own).sum(), with_origin().map(|(_, tools)| tools).sum());
        let rules: Vec<bool> = self.all_tasks().filter_map(|task| task.own_rule).collect();
        let own_rules = share(rules.iter().filter(|own| **own).count(), rules.len());
        self.within("tools beyond plain CRUD", beyond, As::Share, (BEYOND_CRUD_MIN, MORE));
        self.within("tools of the blueprint's own", own, As::Share, (OWN_TOOLS_MIN, MORE));
        self.within("tasks that need one of its own rules", own_rules, As::Share, (OWN_RULE_MIN, MORE));
    }

    fn tasks(&mut self) {
        let facts: Vec<Facts> = self.all_tasks().filter_map(|task| task.facts).collect();
        let numbers = |of: fn(&Facts) -> u32| facts.iter().map(|facts| of(facts) as usize).collect::<Vec<_>>();
        let mut calls = numbers(|facts| facts.calls);
        calls.sort_unstable();
        let top_tenth = calls.len().checked_sub(calls.len().div_ceil(10)).and_then(|place| calls.get(place));
        self.within("calls of a solution, mean", mean(&calls), As::Mean, (CALLS_MEAN_MIN, MORE));
        let top_tenth = top_tenth.map(|calls| *calls as f64);
        self.within("calls of a solution, top tenth from", top_tenth, As::Count, (CALLS_TOP_TENTH_MIN, MORE));
        let tools = mean(&numbers(|facts| facts.tools));
        self.within("distinct tools of a solution, mean", tools, As::Mean, (DISTINCT_TOOLS_MEAN_MIN, MORE));
        self.told("hops of a solution, mean", mean(&numbers(|facts| facts.hops)), As::Mean);
        self.told("changes of a solution, mean", mean(&numbers(|facts| facts.writes)), As::Mean);
        self.told("ids in sight, mean", mean(&numbers(|facts| facts.in_sight)), As::Mean);
        let tasks = self.all_tasks().count();
        let answers = share(self.all_tasks().filter(|task| task.has_answer).count(), tasks);
        self.within("tasks with an answer", answers, As::Share, ANSWERS);
        let kinds: Vec<TaskKind> = self.all_tasks().filter_map(|task| task.kind).collect();
        let refusals = share(kinds.iter().filter(|kind| **kind == TaskKind::Refusal).count(), kinds.len());
        self.within("tasks that are refused", refusals, As::Share, REFUSALS);
    }

    fn proof(&mut self) {
        let sum = |count: fn(&EnvironmentAudit) -> usize| self.loaded().map(count).sum::<usize>();
        let tools = sum(|environment| environment.tools);
        let exercised = share(sum(|environment| environment.tools_exercised), tools);
        let in_tasks = share(sum(|environment| environment.tools_in_tasks), tools);
        let reached = share(sum(|environment| environment.guards_reached), sum(|environment| environment.guards));
        let tasks = sum(|environment| environment.tasks.len());
        let identical = share(sum(|environment| environment.replays_identical), tasks);
        let intact = share(sum(|environment| environment.references_intact), tasks);
        let broken = |code: Code| {
            let findings = self.audit.environments.iter().flat_map(|environment| &environment.findings);
            Some(findings.filter(|finding| finding.code == code).count() as f64)
        };
        let invariants = broken(Code::InvariantBroken);
        self.within("findings", Some(self.audit.totals.findings as f64), As::Count, (0.0, 0.0));
        self.within("tools exercised", exercised, As::Share, (1.0, 1.0));
        self.told("tools called by a solution", in_tasks, As::Share);
        self.within("refusals reached", reached, As::Share, (1.0, 1.0));
        self.within("replays that give the same bytes", identical, As::Share, (1.0, 1.0));
        self.within("solutions that keep foreign keys intact", intact, As::Share, (1.0, 1.0));
        self.within("invariants broken", invariants, As::Count, (0.0, 0.0));
        self.within("mutants that earn nothing", self.audit.mutants.kill_rate(), As::Share, (KILL_RATE_MIN, 1.0));
    }

    fn attacks(&mut self) {
        for attack in Attack::ALL {
            let tried = self.audit.attacks.get(&attack).copied().unwrap_or_default();
            let measured = (tried.attempts > 0).then_some(tried.passes as f64);
            let name = format!("rewards: {}", attack.name());
            if matches!(attack, Attack::Random | Attack::ReadOnlyGuess) {
                let share = share(tried.passes as usize, tried.attempts as usize);
                self.within(&name, share, As::Share, (f64::NEG_INFINITY, LUCK_MAX));
            } else {
                self.within(&name, measured, As::Count, (0.0, 0.0));
            }
            if let (Some(last), Tried { attempts: 1.., .. }) = (self.list.last_mut(), tried) {
                last.shown = format!("{} of {}", tried.passes, tried.attempts);
            }
        }
    }

    fn distinctness(&mut self) {
        let most = |of: fn(&EnvironmentAudit) -> Option<f64>| self.loaded().filter_map(of).max_by(f64::total_cmp);
        let tool_names = |nearest: &Nearest| nearest.tool_names.as_ref().map(|found| found.similarity);
        let other = self.loaded().filter_map(|one| tool_names(&one.other_families)).max_by(f64::total_cmp);
        let same = self.loaded().filter_map(|one| tool_names(&one.same_family)).max_by(f64::total_cmp);
        let schema = most(|one| one.other_families.schema.as_ref().map(|found| found.similarity));
        let programs = most(|one| one.other_families.programs.as_ref().map(|found| found.similarity));
        let programs_same = most(|one| one.same_family.programs.as_ref().map(|found| found.similarity));
        let alike = most(|one| one.alike.as_ref().map(|alike| alike.similarity));
        let up_to = |most: f64| (f64::NEG_INFINITY, most);
        let instructions = self.audit.instructions;
        let distinct = share(instructions.distinct, instructions.all);
        let trigrams = share(instructions.distinct_trigrams, instructions.trigrams);
        let name = "tool names shared with another family, most";
        self.within(name, other, As::Similarity, up_to(TOOL_NAMES_OTHER_FAMILY_MAX));
        let name = "tool names shared within a family, most";
        self.within(name, same, As::Similarity, up_to(TOOL_NAMES_SAME_FAMILY_MAX));
        let name = "statements shared with another family, most";
        self.within(name, programs, As::Similarity, up_to(PROGRAMS_OTHER_FAMILY_MAX));
        self.told("statements shared within a family, most", programs_same, As::Similarity);
        self.told("tables shared with another family, most", schema, As::Similarity);
        let name = "instructions alike in an environment, most";
        self.within(name, alike, As::Similarity, up_to(ALIKE_MAX));
        self.told("distinct instructions", distinct, As::Share);
        self.told("distinct runs of three words", trigrams, As::Share);
    }

    fn split(&mut self) {
        let split = &self.audit.split;
        let both = split.families_on_both_sides.len() as f64;
        let held_out = share(split.held_out.tasks, split.held_out.tasks + split.train.tasks);
        self.within("families both trained on and held out", Some(both), As::Count, (0.0, 0.0));
        self.told("tasks held out", held_out, As::Share);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn mean(numbers: &[usize]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<usize>() as f64 / numbers.len() as f64)
}

fn shown(number: f64, shown_as: As) -> String {
    match shown_as {
        As::Count => format!("{number:.0}"),
        As::Mean => format!("{number:.1}"),
        As::Similarity => format!("{number:.2}"),
        As::Share => {
            // A share that rounds to the target without meeting it should not look as if it did.
            let percent = number * 100.0;
            let rounded = (percent * 10.0).floor() / 10.0;
            if (rounded - rounded.round()).abs() < 1e-9 { format!("{rounded:.0} %") } else { format!("{rounded:.1} %") }
        }
    }
}
