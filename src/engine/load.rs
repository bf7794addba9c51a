//! Compiling a package into an environment, reporting everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use rusqlite::Connection;
use rusqlite::types::Value as SqlValue;
use serde_json::{Map, Value};

use super::arguments::Inputs;
use super::catalog::{Catalog, quote};
use super::environment::{Actor, Environment, Tool, private_condition, to_json};
use super::state::{Conditions, State, budget};
use super::verify::ExpectedCache;
use super::{output, program, solution, task};
use crate::clock;
use crate::database::{self, Bound, BuildErrorKind, ImageSource, Operation, Overlay, Pool, SourceFile};
use crate::id::{EnvironmentName, ToolName};
use crate::package::diagnostic::{Code, Diagnostic, Severity};
use crate::package::files::{ActorsFile, At, ToolFile};
use crate::package::{self, DATA_FILE, ENVIRONMENT_FILE, Package, SCHEMA_FILE, TOOLS_FILE};

/// Idle connections an environment keeps: one for each core that may be executing its calls. More are opened under load
/// and closed after it.
fn idle_connections_max() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// What loading a package gave.
#[derive(Debug)]
pub struct Loaded {
    /// The environment; none where an error was found.
    pub environment: Option<Arc<Environment>>,
    /// All findings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Environment {
    /// Loads the package in `directory`.
    pub fn load(directory: &Path) -> Loaded {
        let (package, mut findings) = package::read(directory);
        let environment = package.and_then(|package| Self::compile(package, &mut findings));
        let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
        Loaded { environment: environment.filter(|_| !broken).map(Arc::new), diagnostics: findings }
    }

    /// Compiles a package that has been read.
    pub(crate) fn compile(package: Package, findings: &mut Vec<Diagnostic>) -> Option<Self> {
        compile(package, findings)
    }

    /// The same environment without tasks, over the same image: for trying tasks, while somebody else is asking the environment.
    pub(crate) fn without_tasks(&self) -> Self {
        Self {
            name: self.name.clone(),
            package: self.package.clone(),
            clock_ms: self.clock_ms,
            pool: Pool::new(Arc::clone(self.pool.image()), idle_connections_max()),
            judging: OnceLock::new(),
            catalog: self.catalog.clone(),
            rows: self.rows,
            actors: self.actors.clone(),
            tools: self.tools.clone(),
            tasks: IndexMap::new(),
            private: self.private.clone(),
            history: self.history.clone(),
            expected: ExpectedCache::default(),
            listing: OnceLock::new(),
        }
    }

    /// Takes these tasks instead of the ones it has, with what is wrong with them: for trying tasks before a package has any.
    pub(crate) fn take_tasks(&mut self, text: &str) -> Vec<Diagnostic> {
        let mut findings = self.package.take_tasks(text);
        self.tasks = task::compile(&self.package, &self.catalog, &self.tools, &self.actors, &mut findings);
        self.expected = ExpectedCache::default();
        findings
    }
}

fn compile(package: Package, findings: &mut Vec<Diagnostic>) -> Option<Environment> {
    let clock_ms = clock::parse(&package.environment.clock)?;
    let name = EnvironmentName::parse(&package.environment.name).ok()?;
    let source = ImageSource { schema: &package.schema, data: &package.data, clock_ms };
    let image = match database::build_image(&source) {
        Ok(image) => Arc::new(image),
        Err(errors) => {
            findings.extend(errors.iter().map(build_finding));
            return None;
        }
    };
    let plain = database::open_bytes(image.bytes()).ok()?;
    let catalog = Catalog::read(&plain).ok()?;
    let actors = actors(&plain, &package.environment.actors, findings);
    let private = private(&plain, &package, &catalog, findings);
    let history = history(&package, &catalog, findings);
    let rows = catalog.rows(&plain);
    let pool = Pool::new(image, idle_connections_max());
    let moment = State::default().moment(&conditions(&package, clock_ms));
    let tools = {
        let bound = pool.bind(&Overlay::default(), moment, budget(None)).ok()?;
        tools(&package, &catalog, &bound, findings)
    };
    tables(&catalog, &tools, findings);
    crosses(&package, &tools, findings);
    let tasks = task::compile(&package, &catalog, &tools, &actors, findings);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return None;
    }
    let mut environment = Environment {
        name,
        package,
        clock_ms,
        pool,
        judging: OnceLock::new(),
        catalog,
        rows,
        actors,
        tools,
        tasks,
        private,
        history,
        expected: ExpectedCache::default(),
        listing: OnceLock::new(),
    };
    infer_types(&mut environment);
    Some(environment)
}

fn conditions(package: &Package, clock_ms: i64) -> Conditions {
    Conditions { seed: 0, clock_ms, actor: package.environment.actors.default.value.clone() }
}

fn build_finding(error: &database::BuildError) -> Diagnostic {
    let file = match error.file {
        SourceFile::Schema => SCHEMA_FILE,
        SourceFile::Data => DATA_FILE,
    };
    let code = match (error.kind, error.file) {
        (BuildErrorKind::Forbidden, _) => Code::SqlForbidden,
        (BuildErrorKind::Constraint | BuildErrorKind::ForeignKey, _) => Code::DataConstraint,
        (BuildErrorKind::UsesClock, _) => Code::DataUsesClock,
        (BuildErrorKind::UsesRandomness, _) => Code::DataUsesRandomness,
        (BuildErrorKind::Sql | BuildErrorKind::Budget, _) => Code::SchemaInvalid,
    };
    Diagnostic::new(code, file, error.line.unwrap_or(0), error.message.clone())
}

fn actors(plain: &Connection, file: &At<ActorsFile>, findings: &mut Vec<Diagnostic>) -> Vec<Actor> {
    let query =
        format!("SELECT {0}, {1} FROM {2} ORDER BY {0}", quote(&file.id), quote(&file.name), quote(&file.table));
    let read = || -> Result<Vec<Actor>, rusqlite::Error> {
        let mut statement = plain.prepare(&query)?;
        let rows =
            statement.query_map([], |row| Ok(Actor { id: to_json(row.get::<_, SqlValue>(0)?), name: row.get(1)? }))?;
        rows.collect()
    };
    let unknown = |line, message| Diagnostic::new(Code::ReferenceUnknown, ENVIRONMENT_FILE, line, message);
    match read() {
        Ok(actors) => {
            if !actors.iter().any(|actor| actor.id == file.default.value) {
                let message =
                    format!("no row of {} has the default actor's id {}", file.table.value, file.default.value);
                findings.push(unknown(file.default.line, message));
            }
            actors
        }
        Err(err) => {
            findings.push(unknown(file.line, format!("the actors can't be read: {err}")));
            Vec::new()
        }
    }
}

fn private(
    plain: &Connection,
    package: &Package,
    catalog: &Catalog,
    findings: &mut Vec<Diagnostic>,
) -> BTreeMap<usize, String> {
    let mut private = BTreeMap::new();
    for (table, entry) in &package.environment.private {
        let condition = private_condition(entry);
        let unknown = |message| Diagnostic::new(Code::ReferenceUnknown, ENVIRONMENT_FILE, entry.line, message);
        let Some(index) = catalog.table(table) else {
            findings.push(unknown(format!("private names the table {table}, which doesn't exist")));
            continue;
        };
        if crate::id::is_snake_case(entry) && catalog.tables[index].column(entry).is_none() {
            findings.push(unknown(format!("private names the column {table}.{}, which doesn't exist", entry.value)));
            continue;
        }
        let probe = format!("SELECT count(*) FROM {} WHERE {condition}", quote(table));
        match plain.prepare(&probe) {
            Ok(_) => {
                private.insert(index, condition);
            }
            Err(err) => {
                findings.push(unknown(format!("the condition of {table} under private doesn't compile: {err}")))
            }
        }
    }
    private
}

fn history(package: &Package, catalog: &Catalog, findings: &mut Vec<Diagnostic>) -> BTreeSet<usize> {
    let mut history = BTreeSet::new();
    for table in &package.environment.history {
        match catalog.table(table) {
            Some(index) => {
                history.insert(index);
            }
            None => {
                let message = format!("history names the table {}, which doesn't exist", table.value);
                findings.push(Diagnostic::new(Code::ReferenceUnknown, ENVIRONMENT_FILE, table.line, message));
            }
        }
    }
    history
}

fn tools(
    package: &Package,
    catalog: &Catalog,
    bound: &Bound<'_>,
    findings: &mut Vec<Diagnostic>,
) -> IndexMap<ToolName, Tool> {
    let mut tools = IndexMap::new();
    for file in &package.tools {
        if let (Some(tool), Ok(name)) = (tool(file, catalog, bound, findings), ToolName::parse(&file.name)) {
            tools.insert(name, tool);
        }
    }
    tools
}

fn tool(file: &ToolFile, catalog: &Catalog, bound: &Bound<'_>, findings: &mut Vec<Diagnostic>) -> Option<Tool> {
    let name = ToolName::parse(&file.name).ok()?;
    let inputs = match Inputs::compile(&file.input_schema) {
        Ok(inputs) => inputs,
        Err(message) => {
            let message = format!("{name}: {message}");
            findings.push(Diagnostic::new(Code::InputSchemaInvalid, TOOLS_FILE, file.input_schema.line, message));
            return None;
        }
    };
    let names: Vec<String> = inputs.all().iter().map(|input| input.name.clone()).collect();
    let program = program::compile(file, &names, bound, findings);
    Some(Tool {
        name,
        title: file.title.value.clone(),
        description: file.description.trim().to_owned(),
        inputs,
        output_schema: Arc::new(Map::new()),
        written_tables: catalog.indexes(program.writes.keys().map(String::as_str)),
        program,
        crosses: file.crosses.iter().map(|table| table.value.clone()).collect(),
        line: file.name.line,
    })
}

fn crosses(package: &Package, tools: &IndexMap<ToolName, Tool>, findings: &mut Vec<Diagnostic>) {
    for file in &package.tools {
        for table in &file.crosses {
            if !package.environment.private.contains_key(&table.value) && tools.contains_key(file.name.as_str()) {
                let message = format!("{}: crosses names {}, which isn't private", file.name.value, table.value);
                findings.push(Diagnostic::new(Code::ReferenceUnknown, TOOLS_FILE, table.line, message));
            }
        }
    }
}

/// Rules about tables that judging rests on.
fn tables(catalog: &Catalog, tools: &IndexMap<ToolName, Tool>, findings: &mut Vec<Diagnostic>) {
    for table in &catalog.tables {
        let report = |code, message| Diagnostic::new(code, SCHEMA_FILE, 0, message);
        if !table.strict {
            findings.push(report(Code::TableNotStrict, format!("the table {} is not STRICT", table.name)));
        }
        let inserts =
            |tool: &Tool| tool.program.writes.get(&table.name).is_some_and(|kinds| kinds.contains(&Operation::Insert));
        if table.generates_key() && !table.autoincrement && tools.values().any(inserts) {
            let message = format!("tools add rows to {}, whose ids can be used again after a delete", table.name);
            findings.push(report(Code::TableReusesIds, message));
        }
    }
}

/// Types of expressions, which SQLite doesn't declare, as the package's own solutions show them; then the output schemas.
fn infer_types(environment: &mut Environment) {
    let observed = solution::observe(environment);
    for (tool, result) in observed {
        if let Some(tool) = environment.tools.get_mut(&tool) {
            observe(&mut tool.program, &result);
        }
    }
    for tool in environment.tools.values_mut() {
        tool.output_schema = Arc::new(output::schema(&tool.program.members));
    }
}

fn observe(program: &mut program::Program, result: &Value) {
    for member in &mut program.members {
        let Some(value) = result.get(&member.name) else { continue };
        let rows: &[Value] = match value {
            Value::Array(rows) if member.shape == program::Shape::Rows => rows,
            other => std::slice::from_ref(other),
        };
        for row in rows {
            for column in &mut member.columns {
                match member.shape {
                    program::Shape::Value => column.column_type.observe(row),
                    _ => column.column_type.observe(row.get(&column.name).unwrap_or(&Value::Null)),
                }
            }
        }
    }
}
