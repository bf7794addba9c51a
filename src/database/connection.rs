//! A connection with everything that is set once: settings, limits, functions, guard.

use std::cell::OnceCell;
use std::ffi::CStr;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Result};

use super::functions::{self, Dice};
use super::guard::{Author, Guard};
use super::image::Image;
use super::nullness::{StoredColumns, stored_columns};
use super::overlay::{EPISODE_FILE, IMAGE_FILE, Vfs};
use super::view::View;

/// Longest text, blob or row. What SQLite's built-in functions do in C escapes the step budget, so what they work on is
/// bounded instead: at this size even the slowest of them takes milliseconds.
pub(super) const VALUE_BYTES_MAX: i32 = 1 << 20;

/// Compiled statements kept per connection: all of an environment (35 tools of about 6 statements), with room.
const STATEMENTS_MAX: usize = 1024;

/// Page cache per connection, in KiB. An episode's working set is a few hundred pages; a transaction that outgrows this
/// spills into the overlay.
const CACHE_KIB: u32 = 2048;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Running programs.
    Program,
    /// Reading the final database with the image beside it as `initial`.
    Check,
    /// Building an image.
    Build,
}

impl Purpose {
    /// Who writes the statements that such a connection compiles.
    pub(super) fn author(self) -> Author {
        match self {
            Self::Program => Author::Program,
            Self::Check => Author::Check,
            Self::Build => Author::Source,
        }
    }
}

/// A connection and what stands behind it. Fields are dropped in this order: the file system must outlive the connection.
pub(super) struct Link {
    pub(super) connection: Connection,
    _vfs: Vfs,
    pub(super) view: Arc<View>,
    pub(super) guard: Arc<Guard>,
    pub(super) dice: Arc<Dice>,
    /// Filled when a statement is described for the first time.
    stored_columns: OnceCell<StoredColumns>,
}

impl Link {
    /// Opens a connection over an image. Nothing about it changes afterwards except what [`View::show`],
    /// [`Guard::set_budget`] and [`Dice::start`] switch.
    pub(super) fn open(image: &Arc<Image>, purpose: Purpose) -> Result<Self> {
        let view = View::new(Arc::clone(image));
        let vfs = Vfs::register(Arc::clone(&view)).map_err(failure)?;
        let mut connection = open_on(EPISODE_FILE, vfs.name())?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        apply_settings(&connection)?;
        if purpose == Purpose::Check {
            let attach = format!("ATTACH '{}' AS initial", IMAGE_FILE.to_string_lossy());
            connection.execute_batch(&attach)?;
            connection.execute_batch("PRAGMA initial.journal_mode = MEMORY")?;
        }
        if purpose == Purpose::Build {
            connection.execute_batch("PRAGMA foreign_keys = OFF")?;
        } else {
            apply_limits(&connection)?;
            vfs.unregister();
        }
        let dice = Arc::new(Dice::default());
        functions::install(&connection, &dice)?;
        let guard = Guard::install(&mut connection)?;
        let full_text_tables = full_text_tables(&connection)?;
        for table in &full_text_tables {
            // Connecting a virtual table runs statements; do it now rather than on some episode's budget.
            connection.prepare(&format!("SELECT 1 FROM \"{}\"", table.replace('"', "\"\"")))?;
        }
        guard.full_text_tables.get_or_init(|| full_text_tables);
        guard.set_author(purpose.author());
        Ok(Self { connection, _vfs: vfs, view, guard, dice, stored_columns: OnceCell::new() })
    }

    /// Which stored columns are never NULL.
    pub(super) fn stored_columns(&self) -> Result<&StoredColumns> {
        if let Some(columns) = self.stored_columns.get() {
            return Ok(columns);
        }
        let columns = stored_columns(&self.connection)?;
        Ok(self.stored_columns.get_or_init(|| columns))
    }
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

fn open_on(file: &CStr, vfs: &CStr) -> Result<Connection> {
    // One owner at a time, so no mutex.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    #[expect(clippy::disallowed_methods, reason = "this is the database layer")]
    Connection::open_with_flags_and_vfs(file.to_string_lossy().as_ref(), flags, vfs)
}

fn apply_settings(connection: &Connection) -> Result<()> {
    let settings = [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, true),
        // A plan must not depend on the values some earlier episode bound; without this `LIKE :q` compiles on every run.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        // "misspelt_column" is an error, not a string.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ];
    for (setting, value) in settings {
        connection.set_db_config(setting, value)?;
    }
    // locking_mode stays NORMAL: an exclusive connection doesn't look at the change counter again.
    connection.execute_batch(&format!(
        "PRAGMA page_size = {page_bytes};
         PRAGMA journal_mode = MEMORY;
         PRAGMA temp_store = MEMORY;
         PRAGMA synchronous = OFF;
         PRAGMA cell_size_check = OFF;
         PRAGMA mmap_size = 0;
         PRAGMA cache_size = -{CACHE_KIB};",
        page_bytes = super::PAGE_BYTES,
    ))
}

fn apply_limits(connection: &Connection) -> Result<()> {
    let limits = [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 16),
        (Limit::SQLITE_LIMIT_VDBE_OP, 50_000),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 50),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ];
    for (limit, value) in limits {
        connection.set_limit(limit, value)?;
    }
    Ok(())
}

fn full_text_tables(connection: &Connection) -> Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage = 0 ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect()
}
