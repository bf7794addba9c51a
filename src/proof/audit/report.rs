//! What an audit reports: the document that `envfarm audit --json` prints.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::attacks::{Attack, Tried};
use crate::package::diagnostic::Diagnostic;
use crate::package::files::{Facts, TaskKind};

/// What a set of packages is worth.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Audit {
    /// What is measured against what should be.
    pub targets: Vec<Target>,
    /// Sums over all environments.
    pub totals: Totals,
    /// How attempts to earn a reward without the work fared, over all tasks.
    pub attacks: BTreeMap<Attack, Tried>,
    /// How changed arguments fared, over all tasks.
    pub mutants: Mutants,
    /// The texts of the tasks.
    pub instructions: Instructions,
    /// What is for training and what is held out.
    pub split: SplitCounts,
    /// One entry for each package, by name.
    pub environments: Vec<EnvironmentAudit>,
}

/// Something that is measured, and what it should be.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Target {
    /// What is measured.
    pub name: String,
    /// The measured value; null where it can't be told.
    pub measured: Option<f64>,
    /// The same for people.
    pub shown: String,
    /// What it should be; empty for what is only told.
    pub target: String,
    /// Whether it is what it should be; null where nothing is asked for or it can't be told.
    pub met: Option<bool>,
}

/// Sums over all environments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Totals {
    /// Packages.
    pub environments: usize,
    /// Packages without an error that keeps them from loading.
    pub loaded: usize,
    /// Families; an environment without one is a family of its own.
    pub families: usize,
    /// Tables.
    pub tables: usize,
    /// Rows at the start.
    pub rows: usize,
    /// Tools.
    pub tools: usize,
    /// Tasks.
    pub tasks: usize,
    /// Findings.
    pub findings: usize,
    /// Targets that are missed.
    pub missed: usize,
}

/// How changed arguments of the solutions' calls fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mutants {
    /// Executed and ended in another state than the solution.
    pub executed: usize,
    /// Of those, rewarded all the same.
    pub rewarded: usize,
    /// Refused by a rule or an input schema.
    pub refused: usize,
    /// Executed and ended in the solution's state.
    pub equivalent: usize,
}

/// How much the instructions of all tasks repeat themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Instructions {
    /// Instructions.
    pub all: usize,
    /// Different ones, apart from case and punctuation.
    pub distinct: usize,
    /// Runs of three words.
    pub trigrams: usize,
    /// Different ones.
    pub distinct_trigrams: usize,
}

/// What is on one side of the split between training and held out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SideCounts {
    /// Environments with a task on this side.
    pub environments: usize,
    /// Families with a task on this side.
    pub families: usize,
    /// Tasks.
    pub tasks: usize,
}

/// What is for training and what is held out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SplitCounts {
    /// To train on.
    pub train: SideCounts,
    /// Held out.
    pub held_out: SideCounts,
    /// Families that are on both sides.
    pub families_on_both_sides: Vec<String>,
}

/// One package.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct EnvironmentAudit {
    /// Name of the package's folder.
    pub name: String,
    /// The family, where the package names one.
    pub family: Option<String>,
    /// Whether it loads; where it doesn't, everything but the findings is empty.
    pub loaded: bool,
    /// Tables.
    pub tables: usize,
    /// Rows at the start.
    pub rows: usize,
    /// Tools.
    pub tools: usize,
    /// Tools that do more than create, read, update or delete rows of one table.
    pub tools_beyond_crud: usize,
    /// Tools that are the blueprint's own; null where the package doesn't say.
    pub own_tools: Option<usize>,
    /// Tools that some call of the walk or of a solution completed.
    pub tools_exercised: usize,
    /// Tools that some solution calls.
    pub tools_in_tasks: usize,
    /// Refusals in the tools' programs.
    pub guards: usize,
    /// Refusals that some call of the walk met.
    pub guards_reached: usize,
    /// Calls that the walk made.
    pub walk_calls: u64,
    /// Solutions that gave the same bytes when played again in an environment loaded anew.
    pub replays_identical: usize,
    /// Solutions after which every foreign key refers to a row.
    pub references_intact: usize,
    /// How attempts to earn a reward without the work fared.
    pub attacks: BTreeMap<Attack, Tried>,
    /// How changed arguments fared.
    pub mutants: Mutants,
    /// The two instructions that are most alike.
    pub alike: Option<AlikeInstructions>,
    /// The most similar environments of other families.
    pub other_families: Nearest,
    /// The most similar environments of the same family.
    pub same_family: Nearest,
    /// The tasks.
    pub tasks: Vec<TaskAudit>,
    /// Everything that is wrong, by file and line.
    pub findings: Vec<Diagnostic>,
}

/// One task.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct TaskAudit {
    /// Its name.
    pub name: String,
    /// Whether an answer is judged.
    pub has_answer: bool,
    /// What its solution takes; null where that can't be played.
    pub facts: Option<Facts>,
    /// What the right outcome is; null where the package doesn't say.
    pub kind: Option<TaskKind>,
    /// What it is composed of; empty where the package doesn't say.
    pub intents: Vec<String>,
    /// Whether it needs one of the blueprint's own rules; null where the package doesn't say.
    pub own_rule: Option<bool>,
}

/// Two instructions of one environment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AlikeInstructions {
    /// The tasks.
    pub tasks: [String; 2],
    /// One less the edit distance over the length of the longer one.
    pub similarity: f64,
}

/// The environments nearest to one, each by another measure; null where there is no other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Nearest {
    /// By the names of tools.
    pub tool_names: Option<Neighbour>,
    /// By the shapes of tables.
    pub schema: Option<Neighbour>,
    /// By the shapes of statements.
    pub programs: Option<Neighbour>,
}

/// Another environment and how similar it is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// What both have of what either has (Jaccard index), 0 to 1.
    pub similarity: f64,
}

impl std::ops::AddAssign for Mutants {
    fn add_assign(&mut self, other: Self) {
        self.executed += other.executed;
        self.rewarded += other.rewarded;
        self.refused += other.refused;
        self.equivalent += other.equivalent;
    }
}

impl Mutants {
    /// The share of those that ended elsewhere and earned nothing; none where none did.
    pub fn kill_rate(self) -> Option<f64> {
        super::share(self.executed - self.rewarded, self.executed)
    }
}
