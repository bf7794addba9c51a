//! Images: the bytes of an environment's initial database, and how they are built from a package's SQL.

use std::fmt;
use std::sync::Arc;

use rusqlite::{Connection, Error, ErrorCode};
use sha2::{Digest, Sha256};

use super::connection::{Link, Purpose};
use super::guard::Author;
use super::pages::Overlay;
use super::script::{ScriptStatement, newlines, statements};
use super::{Budget, Moment, PAGE_BYTES, Page, STEPS_PER_LOT};

/// Most instructions a package's SQL may take to run: about a second. A large package takes a few million.
const BUILD_STEPS_MAX: u64 = 100_000_000;

/// Most pages of an image: 64 MiB. All images that are in use are held in memory.
const IMAGE_PAGES_MAX: usize = 65_536;

/// Errors after which building gives up; more would be noise.
const ERRORS_MAX: usize = 50;

/// The bytes of an initial database, immutable and shared by all its episodes.
pub struct Image {
    bytes: Box<[u8]>,
    digest: String,
}

impl Image {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { bytes: bytes.into_boxed_slice(), digest }
    }

    /// The database file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes, in hexadecimal. Depends on the package's SQL and the version of SQLite.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn pages(&self) -> u32 {
        (self.bytes.len() / PAGE_BYTES) as u32
    }

    /// The page of this number, from 1.
    pub(super) fn page(&self, number: u32) -> Option<&Page> {
        let start = (number as usize).checked_sub(1)? * PAGE_BYTES;
        self.bytes.get(start..start + PAGE_BYTES)?.try_into().ok()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Image").field("bytes", &self.bytes.len()).field("digest", &self.digest).finish()
    }
}

/// What an image is built from.
#[derive(Debug, Clone, Copy)]
pub struct ImageSource<'a> {
    /// Text of schema.sql: CREATE statements.
    pub schema: &'a str,
    /// Text of data.sql: INSERT, UPDATE, DELETE.
    pub data: &'a str,
    /// Where the environment's clock starts: milliseconds since 1970-01-01 UTC.
    pub clock_ms: i64,
}

/// One of the two files an image is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFile {
    /// schema.sql
    Schema,
    /// data.sql
    Data,
}

/// One thing that is wrong with a package's SQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BuildError {
    /// The file it is in.
    pub file: SourceFile,
    /// The line, from 1, where one can be told.
    pub line: Option<usize>,
    /// What sort of thing it is.
    pub kind: BuildErrorKind,
    /// What is wrong, for a person.
    pub message: String,
}

/// Sorts of [`BuildError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildErrorKind {
    /// SQLite doesn't understand or can't execute it.
    Sql,
    /// A package may not do this.
    Forbidden,
    /// A row violates a CHECK, UNIQUE, NOT NULL or type constraint.
    Constraint,
    /// A row refers to one that doesn't exist.
    ForeignKey,
    /// Rows depend on the clock.
    UsesClock,
    /// Rows depend on random numbers.
    UsesRandomness,
    /// It takes too long or too much space.
    Budget,
}

/// Builds an image. The same source gives the same bytes, wherever and whenever.
///
/// # Errors
/// Everything that could be found, in the order of the files. Data is not executed while the schema has errors.
pub fn build_image(source: &ImageSource<'_>) -> Result<Image, Vec<BuildError>> {
    let empty = Arc::new(Image::new(Vec::new()));
    let link = Link::open(&empty, Purpose::Build).map_err(|error| vec![whole_file(SourceFile::Schema, &error)])?;
    let moment = Moment { now_ms: source.clock_ms, seed: 0, commits: 0 };
    link.view.show(Overlay::default(), moment.now_ms, IMAGE_PAGES_MAX);
    link.dice.start(moment);
    link.guard.set_budget(&Budget { steps_max: BUILD_STEPS_MAX, deadline: None, pages_max: IMAGE_PAGES_MAX });
    run_file(&link, SourceFile::Schema, source.schema)?;
    let as_layer = |work: fn(&Connection) -> rusqlite::Result<Vec<BuildError>>, file| match link
        .guard
        .as_layer(|| work(&link.connection))
    {
        Ok(errors) if errors.is_empty() => Ok(()),
        Ok(errors) => Err(errors),
        Err(error) => Err(vec![whole_file(file, &error)]),
    };
    as_layer(check_parents, SourceFile::Schema)?;
    run_file(&link, SourceFile::Data, source.data)?;
    as_layer(check_references, SourceFile::Data)?;
    as_layer(make_compact, SourceFile::Data)?;
    Ok(Image::new(link.view.take().materialize(&empty)))
}

/// Executes a file statement by statement, in one transaction, and collects what goes wrong.
fn run_file(link: &Link, file: SourceFile, script: &str) -> Result<(), Vec<BuildError>> {
    let transact = |statement| {
        link.guard.as_layer(|| link.connection.execute_batch(statement)).map_err(|error| vec![whole_file(file, &error)])
    };
    let mut errors = Vec::new();
    for statement in statements(script) {
        if link.connection.is_autocommit() {
            transact("BEGIN")?;
        }
        errors.extend(run_statement(link, file, &statement));
        let spent = errors.last().is_some_and(|error| error.kind == BuildErrorKind::Budget);
        if spent || errors.len() >= ERRORS_MAX {
            break;
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if !link.connection.is_autocommit() {
        transact("COMMIT")?;
    }
    Ok(())
}

fn run_statement(link: &Link, file: SourceFile, statement: &ScriptStatement<'_>) -> Option<BuildError> {
    let found = |kind, message: String| BuildError { file, line: Some(statement.line), kind, message };
    let (verbs, home): (&[&str], _) = match file {
        SourceFile::Schema => (&["CREATE"], "schema.sql holds only CREATE statements"),
        SourceFile::Data => (
            &["INSERT", "REPLACE", "UPDATE", "DELETE", "WITH"],
            "data.sql holds only INSERT, UPDATE and DELETE statements",
        ),
    };
    if !verbs.iter().any(|verb| verb.eq_ignore_ascii_case(statement.verb)) {
        return Some(found(BuildErrorKind::Forbidden, format!("{} is not allowed here: {home}", statement.verb)));
    }
    link.view.take_clock_read();
    link.dice.take_used();
    let run = |sql: &str| -> rusqlite::Result<()> {
        let mut statement = link.guard.compile(Author::Source, || link.connection.prepare(sql))?;
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    };
    if let Err(error) = run(statement.sql) {
        let line = statement.line + lines_before(&error, statement.sql);
        let (kind, message) = classify(link, &error);
        return Some(BuildError { line: Some(line), ..found(kind, message) });
    }
    if link.view.take_clock_read() {
        let message = "the result depends on the clock; write the time out".to_owned();
        return Some(found(BuildErrorKind::UsesClock, message));
    }
    if link.dice.take_used() {
        let message = "the result depends on random numbers; write the value out".to_owned();
        return Some(found(BuildErrorKind::UsesRandomness, message));
    }
    None
}

/// SQLite tells where in a statement an error of syntax lies.
fn lines_before(error: &Error, sql: &str) -> usize {
    match *error {
        Error::SqlInputError { offset, .. } => {
            usize::try_from(offset).ok().and_then(|offset| sql.get(..offset)).map_or(0, newlines)
        }
        _ => 0,
    }
}

fn classify(link: &Link, error: &Error) -> (BuildErrorKind, String) {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => BuildErrorKind::Constraint,
        Some(ErrorCode::AuthorizationForStatementDenied) => BuildErrorKind::Forbidden,
        Some(ErrorCode::OperationInterrupted | ErrorCode::DiskFull) => BuildErrorKind::Budget,
        _ => BuildErrorKind::Sql,
    };
    let message = match (kind, link.view.is_full()) {
        (BuildErrorKind::Budget, true) => {
            format!("the database takes more than {} KiB", IMAGE_PAGES_MAX * PAGE_BYTES / 1024)
        }
        (BuildErrorKind::Budget, false) => {
            format!("the package's SQL takes more than {BUILD_STEPS_MAX} steps in lots of {STEPS_PER_LOT}")
        }
        _ => describe(error),
    };
    (kind, message)
}

fn describe(error: &Error) -> String {
    match error {
        // Without the statement's text, which the other variant appends.
        Error::SqlInputError { msg, .. } | Error::SqliteFailure(_, Some(msg)) => msg.clone(),
        other => other.to_string(),
    }
}

fn whole_file(file: SourceFile, error: &Error) -> BuildError {
    BuildError { file, line: None, kind: BuildErrorKind::Sql, message: describe(error) }
}

/// SQLite accepts references to tables that don't exist, until a row is inserted.
fn check_parents(connection: &Connection) -> rusqlite::Result<Vec<BuildError>> {
    let mut check = connection.prepare(
        "SELECT child.name, key.\"from\", key.\"table\"
         FROM sqlite_schema AS child JOIN pragma_foreign_key_list(child.name) AS key
         WHERE child.type = 'table' AND NOT EXISTS (
             SELECT 1 FROM sqlite_schema AS parent
             WHERE parent.type = 'table' AND parent.name = key.\"table\" COLLATE NOCASE)",
    )?;
    let errors = check.query_map([], |row| {
        let (table, column, parent): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(BuildError {
            file: SourceFile::Schema,
            line: None,
            kind: BuildErrorKind::ForeignKey,
            message: format!("{table}.{column} refers to the table {parent}, which does not exist"),
        })
    })?;
    errors.collect()
}

/// Rows may come in any order, so references are checked at the end.
fn check_references(connection: &Connection) -> rusqlite::Result<Vec<BuildError>> {
    let mut check = connection.prepare(
        "SELECT violation.\"table\", violation.rowid, violation.parent, key.\"from\"
         FROM pragma_foreign_key_check AS violation
         JOIN pragma_foreign_key_list(violation.\"table\") AS key ON key.id = violation.fkid AND key.seq = 0
         LIMIT ?1",
    )?;
    let errors = check.query_map([ERRORS_MAX as i64], |row| {
        let (table, row_id, parent, column): (String, Option<i64>, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let row = row_id.map_or_else(|| "a row".to_owned(), |row_id| format!("row {row_id}"));
        Ok(BuildError {
            file: SourceFile::Data,
            line: None,
            kind: BuildErrorKind::ForeignKey,
            message: format!("{table}.{column} of {row} refers to no row of {parent}"),
        })
    })?;
    errors.collect()
}

/// Gives the planner its statistics (the same for every episode, whatever it writes later) and puts the pages in order.
/// The histograms go again: they are larger than many an image, and with parameters bound late nothing reads them.
fn make_compact(connection: &Connection) -> rusqlite::Result<Vec<BuildError>> {
    connection.execute_batch("ANALYZE; DROP TABLE IF EXISTS sqlite_stat4; VACUUM")?;
    Ok(Vec::new())
}
