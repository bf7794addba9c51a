//! What may be compiled (the authorizer) and how long it may run (the progress handler).
//!
//! Both are installed once per connection and switched by state, because installing either expires every compiled statement.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Result};

use super::statement::Operation;
use super::{Budget, STEPS_PER_LOT, Stop};

/// Who wrote the statement that is being compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Author {
    /// This layer itself: everything is allowed.
    Layer,
    /// A program of a package: reads, and writes of rows.
    Program,
    /// A check over final and initial database: reads.
    Check,
    /// A package's schema.sql or data.sql.
    Source,
}

impl Author {
    fn from_code(code: u8) -> Self {
        [Self::Layer, Self::Program, Self::Check, Self::Source][usize::from(code)]
    }

    fn where_refused(self) -> &'static str {
        match self {
            Self::Layer | Self::Program => "in a program",
            Self::Check => "in a check, which only reads",
            Self::Source => "in a package",
        }
    }
}

/// Functions no statement of a package may call. The first two leak what the connection did for other episodes; the others
/// reach outside the database (not all of them are compiled in: a shell or a later SQLite might add them).
const FUNCTIONS_REFUSED: [&str; 11] = [
    "changes",
    "total_changes",
    "load_extension",
    "fts3_tokenizer",
    "readfile",
    "writefile",
    "edit",
    "sqlite_log",
    "rtreecheck",
    "fts5",
    "sqlite_offset",
];

/// What a statement does to a table, as the authorizer is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Access {
    pub(super) database: String,
    pub(super) table: String,
    /// Read or written column; empty for whole rows.
    pub(super) column: String,
    pub(super) operation: Operation,
}

/// The state the two callbacks look at; shared with them, used by one thread at a time.
#[derive(Debug)]
pub(super) struct Guard {
    author: AtomicU8,
    /// True while a statement of a package is compiled, as opposed to run.
    compiling: AtomicBool,
    /// What was refused in the statement being compiled.
    refused: Mutex<Option<String>>,
    /// What the statement being compiled touches; recorded on demand.
    accesses: Mutex<Option<Vec<Access>>>,
    steps_left: AtomicU64,
    /// Nanoseconds after [`EPOCH`]; u64::MAX for none.
    deadline: AtomicU64,
    stop: AtomicU8,
    /// Names of the FTS5 tables; set once the schema is known.
    pub(super) full_text_tables: OnceLock<Vec<String>>,
}

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Guard {
    /// Installs authorizer and progress handler on a connection.
    pub(super) fn install(connection: &mut Connection) -> Result<Arc<Self>> {
        let guard = Arc::new(Self {
            author: AtomicU8::new(Author::Layer as u8),
            compiling: AtomicBool::new(false),
            refused: Mutex::new(None),
            accesses: Mutex::new(None),
            steps_left: AtomicU64::new(u64::MAX),
            deadline: AtomicU64::new(u64::MAX),
            stop: AtomicU8::new(0),
            full_text_tables: OnceLock::new(),
        });
        LazyLock::force(&EPOCH);
        let own = Arc::clone(&guard);
        connection.authorizer(Some(move |context: AuthContext<'_>| own.authorize(context)))?;
        let own = Arc::clone(&guard);
        connection.progress_handler(STEPS_PER_LOT as i32, Some(move || own.progress()))?;
        Ok(guard)
    }

    /// Sets what may be spent from now on.
    pub(super) fn set_budget(&self, budget: &Budget) {
        let deadline =
            budget.deadline.map_or(u64::MAX, |deadline| deadline.saturating_duration_since(*EPOCH).as_nanos() as u64);
        self.steps_left.store(budget.steps_max, Ordering::Relaxed);
        self.deadline.store(deadline, Ordering::Relaxed);
        self.clear_stop();
    }

    /// Why a statement was interrupted since the last [`Guard::clear_stop`].
    pub(super) fn stop(&self) -> Option<Stop> {
        match self.stop.load(Ordering::Relaxed) {
            1 => Some(Stop::Steps),
            2 => Some(Stop::Deadline),
            _ => None,
        }
    }

    pub(super) fn clear_stop(&self) {
        self.stop.store(0, Ordering::Relaxed);
    }

    /// Sets whose rights statements are compiled with from now on.
    pub(super) fn set_author(&self, author: Author) {
        self.author.store(author as u8, Ordering::Relaxed);
    }

    /// Compiles with the rights of `author`. A refusal becomes an error that names what is not allowed.
    pub(super) fn compile<T>(&self, author: Author, compile: impl FnOnce() -> Result<T>) -> Result<T> {
        self.set_author(author);
        self.compiling.store(true, Ordering::Relaxed);
        let compiled = compile();
        self.compiling.store(false, Ordering::Relaxed);
        compiled.map_err(|error| match lock(&self.refused).take() {
            Some(refused) => self.refuse(&refused, author),
            None => error,
        })
    }

    /// Compiles and also tells which tables the statement touches.
    pub(super) fn compile_recording<T>(
        &self,
        author: Author,
        compile: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Vec<Access>)> {
        *lock(&self.accesses) = Some(Vec::new());
        let compiled = self.compile(author, compile);
        let mut accesses = lock(&self.accesses).take().unwrap_or_default();
        accesses.sort();
        accesses.dedup();
        compiled.map(|compiled| (compiled, accesses))
    }

    /// The error for a statement that does what it may not.
    pub(super) fn refuse(&self, what: &str, author: Author) -> rusqlite::Error {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_AUTH);
        let message = format!("{what} is not allowed {}", author.where_refused());
        rusqlite::Error::SqliteFailure(code, Some(message))
    }

    /// Runs something of this layer's own.
    pub(super) fn as_layer<T>(&self, run: impl FnOnce() -> T) -> T {
        let author = self.author.swap(Author::Layer as u8, Ordering::Relaxed);
        let result = run();
        self.author.store(author, Ordering::Relaxed);
        result
    }

    fn progress(&self) -> bool {
        // The compiler calls too. It runs only where the connection hasn't the statement yet, so counting it would make
        // the budget depend on what the connection did before.
        if self.compiling.load(Ordering::Relaxed) {
            return false;
        }
        let left = self.steps_left.load(Ordering::Relaxed);
        let lot = u64::from(STEPS_PER_LOT);
        if left < lot {
            self.stop.store(1, Ordering::Relaxed);
            return true;
        }
        self.steps_left.store(left - lot, Ordering::Relaxed);
        let deadline = self.deadline.load(Ordering::Relaxed);
        if deadline != u64::MAX && EPOCH.elapsed() >= Duration::from_nanos(deadline) {
            self.stop.store(2, Ordering::Relaxed);
            return true;
        }
        false
    }

    fn authorize(&self, context: AuthContext<'_>) -> Authorization {
        let author = Author::from_code(self.author.load(Ordering::Relaxed));
        if author == Author::Layer {
            return Authorization::Allow;
        }
        if let Some(refused) = self.refusal(author, &context) {
            *lock(&self.refused) = Some(refused);
            return Authorization::Deny;
        }
        if let Some(accesses) = &mut *lock(&self.accesses) {
            accesses.extend(access(&context));
        }
        Authorization::Allow
    }

    /// What is not allowed about this; None if it is allowed.
    fn refusal(&self, author: Author, context: &AuthContext<'_>) -> Option<String> {
        let building = author == Author::Source;
        match context.action {
            AuthAction::Select | AuthAction::Recursive => None,
            AuthAction::Read { table_name, .. } => refused_table(table_name),
            AuthAction::Function { function_name } => FUNCTIONS_REFUSED
                .iter()
                .any(|refused| refused.eq_ignore_ascii_case(function_name))
                .then(|| format!("the function {function_name}()")),
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name } => match author {
                Author::Source => None,
                Author::Check => Some(format!("writing to {table_name}")),
                _ => self.refused_write(table_name),
            },
            // FTS5 asks for it while it runs, and means its own database.
            AuthAction::Pragma { pragma_name, pragma_value: None }
                if pragma_name.eq_ignore_ascii_case("data_version") && !self.compiling.load(Ordering::Relaxed) =>
            {
                None
            }
            AuthAction::CreateVtable { module_name, .. } if building => {
                (!module_name.eq_ignore_ascii_case("fts5")).then(|| format!("the virtual table module {module_name}"))
            }
            AuthAction::CreateTable { .. }
            | AuthAction::CreateIndex { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::CreateTrigger { .. }
            | AuthAction::Reindex { .. }
                if building =>
            {
                None
            }
            ref other => Some(name_action(other)),
        }
    }

    /// SQLite's own tables are not a program's business. Neither is the configuration of a full-text table: FTS5 remembers
    /// it with the connection, where the next episode would meet it.
    fn refused_write(&self, table: &str) -> Option<String> {
        let lowercase = table.to_ascii_lowercase();
        if matches!(lowercase.as_str(), "sqlite_master" | "sqlite_temp_master") {
            // The first thing CREATE and DROP ask for.
            return Some("changing the schema".to_owned());
        }
        let stem = lowercase.strip_suffix("_config");
        let configures = |full_text: &String| stem.is_some_and(|stem| stem.eq_ignore_ascii_case(full_text));
        let full_text_tables = self.full_text_tables.get();
        let refused =
            lowercase.starts_with("sqlite_") || full_text_tables.is_some_and(|tables| tables.iter().any(configures));
        refused.then(|| format!("writing to {table}"))
    }
}

/// Tables that show what the connection does rather than what the database holds.
fn refused_table(table: &str) -> Option<String> {
    let table = table.to_ascii_lowercase();
    (table.starts_with("pragma_") || table == "dbstat").then(|| format!("reading {table}"))
}

fn access(context: &AuthContext<'_>) -> Option<Access> {
    let (table, column, operation) = match context.action {
        AuthAction::Read { table_name, column_name } => (table_name, column_name, Operation::Read),
        AuthAction::Update { table_name, column_name } => (table_name, column_name, Operation::Update),
        AuthAction::Insert { table_name } => (table_name, "", Operation::Insert),
        AuthAction::Delete { table_name } => (table_name, "", Operation::Delete),
        _ => return None,
    };
    Some(Access {
        database: context.database_name.unwrap_or("main").to_owned(),
        table: table.to_owned(),
        column: column.to_owned(),
        operation,
    })
}

fn name_action(action: &AuthAction<'_>) -> String {
    let name = match *action {
        AuthAction::Pragma { pragma_name, .. } => return format!("PRAGMA {pragma_name}"),
        AuthAction::Attach { .. } => "ATTACH",
        AuthAction::Detach { .. } => "DETACH",
        AuthAction::Transaction { .. } => "BEGIN, COMMIT or ROLLBACK",
        AuthAction::Savepoint { .. } => "SAVEPOINT",
        AuthAction::AlterTable { .. } => "ALTER TABLE",
        AuthAction::Analyze { .. } => "ANALYZE",
        AuthAction::Reindex { .. } => "REINDEX",
        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::CreateTempTrigger { .. } => "CREATE TEMP",
        _ => "changing the schema",
    };
    name.to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
