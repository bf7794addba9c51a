//! Findings in a package: what is wrong, where, and what to do about it.

use schemars::JsonSchema;
use serde::Serialize;

/// How bad a finding is. Shipped packages have none of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The package works, and something about it will mislead an agent or a trainer.
    Warning,
    /// The package, a tool or a task of it is broken.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Diagnostic {
    /// Stable name of the rule, from [`Code`].
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the package.
    pub file: String,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Diagnostic {
    /// A finding of rule `code` in `file`, with the rule's own severity and hint.
    pub fn new(code: Code, file: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            file: file.to_owned(),
            line: (line > 0).then_some(line),
            message: message.into(),
            hint: code.hint().to_owned(),
        }
    }

    /// Replaces the rule's general hint by one that fits this finding.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident $text:literal $severity:ident $hint:literal,)*) => {
        /// Every rule a package can break. The text forms are stable: they are listed here once and never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $code,)*
        }

        impl Code {
            /// All of them, in the order in which `check` looks.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The stable text form.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)* }
            }

            /// How bad a breach is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)* }
            }

            /// What an author does about it.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$code => $hint,)* }
            }
        }
    };
}

codes! {
    // Files.
    /// A file of the package is missing or can't be read.
    FileUnreadable "file_unreadable" Error "a package is environment.yaml, schema.sql, data.sql, tools.yaml and tasks.yaml",
    /// A file is over its size limit.
    FileTooLarge "file_too_large" Error "make the file smaller; a package is meant to be read by a person",
    /// YAML that doesn't parse, has an unknown key, or a value of the wrong type.
    YamlInvalid "yaml_invalid" Error "compare with the schema of this file in schemas/",
    /// A name that isn't `snake_case`, or a package whose name isn't its folder's.
    NameInvalid "name_invalid" Error "use a lowercase letter, then lowercase letters, digits and single underscores, 56 characters at most",
    /// Two tools, tasks or refusals of a tool with one name.
    NameDuplicate "name_duplicate" Error "rename one of them",
    /// A text that may not be empty is.
    TextMissing "text_missing" Error "write it for the person or agent who will read it",
    /// The start of virtual time isn't a UTC time.
    ClockInvalid "clock_invalid" Error "write it as 2026-03-17T09:30:00Z, at least two hours before midnight",
    /// A table or column that the package names doesn't exist.
    ReferenceUnknown "reference_unknown" Error "name a table or column of schema.sql",
    /// What says where a package comes from doesn't fit the package.
    OriginMismatch "origin_mismatch" Warning "origin.yaml names every tool and every task of the package and no others",
    // Blueprints.
    /// A blueprint that is no YAML, has an unknown key, or a value of the wrong type.
    BlueprintYaml "blueprint_yaml" Error "compare with schemas/blueprint.json",
    /// A part of a blueprint that makes no sense.
    BlueprintInvalid "blueprint_invalid" Error "see the blueprint format",
    /// A blueprint names something that doesn't exist.
    BlueprintReference "blueprint_reference" Error "name an entity, feature, constant, module or tool that is there in the same variants",
    /// SQL of a blueprint's data that SQLite refuses.
    BlueprintSql "blueprint_sql" Error "run the statement over the tables of a variant to see what it says",
    /// Features and modules that don't add up to an environment.
    BlueprintSize "blueprint_size" Error "add tools or features, or make features smaller",
    /// Intents that don't give enough tasks.
    BlueprintTasks "blueprint_tasks" Error "let the data have more rows that intents are about, or add intents",
    // Database.
    /// SQL of schema.sql or data.sql that SQLite refuses.
    SchemaInvalid "schema_invalid" Error "run the statement in sqlite3 to see what it says",
    /// A statement or function a package may not use.
    SqlForbidden "sql_forbidden" Error "programs read and write rows; they can't change the schema, attach files or set pragmas",
    /// A row of data.sql that breaks a constraint or foreign key.
    DataConstraint "data_constraint" Error "correct the row",
    /// data.sql reads the clock.
    DataUsesClock "data_uses_clock" Error "write the date or time out",
    /// data.sql draws random numbers.
    DataUsesRandomness "data_uses_randomness" Error "write the value out",
    /// A table that isn't STRICT.
    TableNotStrict "table_not_strict" Error "add STRICT after the closing parenthesis",
    /// A table whose generated ids can be reused.
    TableReusesIds "table_reuses_ids" Error "declare the key as INTEGER PRIMARY KEY AUTOINCREMENT: states are compared up to renaming of generated ids",
    // Tools.
    /// A tool name that trainers reserve for themselves.
    ToolReserved "tool_reserved" Error "pick another verb",
    /// An input schema that is no JSON Schema 2020-12 of type object.
    InputSchemaInvalid "input_schema_invalid" Error "write a JSON Schema (2020-12) whose root has `type: object`",
    /// An input schema outside the portable tool profile. The tool works, but not with every model provider.
    ToolProfile "tool_profile" Warning "keep inputs flat: typed and described scalars, enums, arrays of scalars or of flat objects",
    /// A step or return that isn't exactly one of its kinds.
    StepInvalid "step_invalid" Error "a step is one of guard (with code and error), let and run; a return is one of row, rows and value",
    /// SQL of a tool that doesn't compile.
    SqlInvalid "sql_invalid" Error "check the table and column names against schema.sql",
    /// A parameter that no input, earlier step or context provides.
    ParameterUnknown "parameter_unknown" Error "parameters are the inputs, the columns of earlier lets, :actor, :now and :args",
    /// An input that no SQL of the tool uses.
    InputUnused "input_unused" Error "use it or remove it: an agent would believe that it matters",
    /// A write in a place that only reads.
    WriteNotAllowed "write_not_allowed" Error "only run writes; guard, let, when and returns are SELECTs",
    /// A step that should write and only reads.
    WriteMissing "write_missing" Error "a run step is an INSERT, UPDATE or DELETE",
    /// SQL that depends on the time zone of the machine.
    SqlUsesHostTime "sql_uses_host_time" Error "leave out localtime and utc: virtual time is UTC",
    /// Names in a result that clash or aren't plain.
    ColumnName "column_name" Error "give every column a distinct name with AS",
    /// A `types` or `json` entry that names no column or no type.
    TypeInvalid "type_invalid" Error "types are boolean, integer, number, string, array and object, with a trailing ? where null is possible",
    // Tasks, without execution.
    /// A task that names something the package doesn't have, or lacks a part.
    TaskInvalid "task_invalid" Error "compare with the schema of tasks.yaml in schemas/",
    /// Numbers recorded about a reference solution that are not the right ones.
    FactsDiffer "facts_differ" Warning "record the right numbers, or none: trainers choose tasks by them",
    // Found by calling tools.
    /// A call that met a defect of the environment.
    ToolFaults "tool_faults" Error "put a guard in front of the statement, or make the let always give one row",
    /// A call that ran into its step budget, page limit or result limit.
    ToolOverBudget "tool_over_budget" Error "add an index, a limit or a narrower condition",
    /// A result that contradicts the tool's output schema.
    ResultContradictsSchema "result_contradicts_schema" Error "declare the column's type under types, with ? where it can be null",
    /// A tool that nothing calls successfully.
    ToolNeverSucceeds "tool_never_succeeds" Error "add data it can work on, or x-from to say where its inputs come from",
    /// A guard that nothing refuses by.
    GuardNeverRefuses "guard_never_refuses" Error "remove it, or add data that makes the refusal possible",
    /// A call that shows rows of another actor.
    PrivateRowsShown "private_rows_shown" Error "restrict the query to :actor, or list the table under crosses if that is the tool's purpose",
    /// A call that changes rows of another actor.
    PrivateRowsChanged "private_rows_changed" Error "restrict the statement to :actor, or list the table under crosses if that is the tool's purpose",
    /// Foreign keys or the database's integrity broken after calls.
    IntegrityBroken "integrity_broken" Error "declare the references and keep triggers from breaking them",
    /// Something that an author says is always true isn't.
    InvariantBroken "invariant_broken" Error "correct the data or the tool that breaks it; the SQL's first column must be true",
    /// The same calls gave different bytes.
    NotDeterministic "not_deterministic" Error "order every result, and take time and randomness from :now and token()",
    // Tasks, by executing them.
    /// The reference solution doesn't run or doesn't earn 1.0.
    SolutionFails "solution_fails" Error "run envfarm solve to see the calls and the verdict",
    /// Doing nothing earns a reward.
    NoopRewarded "noop_rewarded" Error "ask for a change, or for a fact that can't be guessed",
    /// A stock answer earns a reward.
    StockAnswerRewarded "stock_answer_rewarded" Error "ask for a fact as well: a name, a date, an amount",
    /// A part of the solution earns the whole reward.
    PrefixRewarded "prefix_rewarded" Error "remove the calls that don't matter from the solution, or ask for their effect",
    /// Leaving out one call earns the reward all the same.
    DroppedCallRewarded "dropped_call_rewarded" Error "remove the call, or ask for its effect",
    /// Doing a call twice earns the reward although it changed something twice.
    RepeatedCallRewarded "repeated_call_rewarded" Error "compare the table that the second call changed",
    /// The same done to another entity earns the reward.
    SiblingRewarded "sibling_rewarded" Error "compare the column that tells the entities apart",
    /// A changed argument earns the reward.
    MutantRewarded "mutant_rewarded" Error "the argument doesn't matter to the verdict: compare the column it ends in",
    /// Too few changed arguments could be tried.
    MutantsTooFew "mutants_too_few" Error "add data that an agent could confuse with the right one",
    /// A wrong answer earns the reward.
    WrongAnswerRewarded "wrong_answer_rewarded" Error "expect the value as number, date or text so that others are told apart",
    /// Extra reads change the verdict.
    ReadChangesVerdict "read_changes_verdict" Error "a tool that only reads must not write, or list its log under history",
    /// A write the task didn't ask for goes unnoticed.
    CollateralRewarded "collateral_rewarded" Error "don't list that table under history",
    /// The only effect of the task lies in tables that aren't compared.
    EffectNotCompared "effect_not_compared" Error "ask for an effect outside the history tables",
    /// A cell moves with generated ids and is no declared reference.
    HiddenReference "hidden_reference" Error "declare the column as a foreign key",
    /// An argument of the solution that no agent could know.
    ArgumentUnknowable "argument_unknowable" Error "say it in the instruction, take it from an earlier call with from/path, or derive it",
    // Found by auditing sets of packages.
    /// An environment that is smaller or larger than those of a set should be.
    SizeOutOfRange "size_out_of_range" Warning "add or remove tools, tables, rows or tasks",
    /// An agent that didn't do the work earned the reward.
    AttackRewarded "attack_rewarded" Error "ask for a fact that can't be met by chance, and no less than all of it",
    /// Two tasks of an environment say nearly the same.
    InstructionsAlike "instructions_alike" Warning "reword one of them, or ask for something else",
    /// Two environments have nearly the same tools.
    NearDuplicate "near_duplicate" Warning "leave one of them out, or make it another: its names, its rules, its statements",
}
