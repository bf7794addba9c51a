//! Lending connections: bind an episode's overlay, take it back, keep the connection only if it is clean.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{CachedStatement, Connection, StatementStatus, ffi};

use super::connection::{Link, Purpose};
use super::guard::Author;
use super::image::Image;
use super::overlay::{in_transaction, reset_step_counters, set_last_insert_rowid};
use super::pages::Overlay;
use super::statement::{StatementInfo, describe};
use super::{Budget, DatabaseError, Moment, Stop};

const BEGIN: &str = "BEGIN";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const TRANSACTION_STATEMENTS: [&str; 3] = [BEGIN, COMMIT, ROLLBACK];

/// Connections over one image. Opens them when they are needed and keeps some.
pub struct Pool {
    image: Arc<Image>,
    purpose: Purpose,
    idle_max: usize,
    idle: Mutex<Vec<Link>>,
}

impl Pool {
    /// A pool for running programs. Opens nothing yet; keeps at most `idle_max` connections that nobody uses.
    #[must_use]
    pub fn new(image: Arc<Image>, idle_max: usize) -> Self {
        Self::with_purpose(image, idle_max, Purpose::Program)
    }

    /// A pool for judging: statements only read, and see the image itself as the attached database `initial`.
    #[must_use]
    pub fn with_initial(image: Arc<Image>, idle_max: usize) -> Self {
        Self::with_purpose(image, idle_max, Purpose::Check)
    }

    fn with_purpose(image: Arc<Image>, idle_max: usize, purpose: Purpose) -> Self {
        Self { image, purpose, idle_max, idle: Mutex::new(Vec::new()) }
    }

    /// The image all connections show.
    #[must_use]
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// Closes the connections nobody uses.
    pub fn shrink(&self) {
        // Closed outside the lock.
        let idle = std::mem::take(&mut *self.lock());
        drop(idle);
    }

    /// How many connections are open without being used.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.lock().len()
    }

    /// Shows an episode on a connection of its own: an idle one, or else a new one.
    ///
    /// # Errors
    /// [`DatabaseError::Open`] if a connection had to be opened and could not be.
    pub fn bind(&self, overlay: &Overlay, moment: Moment, budget: Budget) -> Result<Bound<'_>, DatabaseError> {
        let idle = self.lock().pop();
        let link = match idle {
            Some(link) => link,
            None => Link::open(&self.image, self.purpose).map_err(DatabaseError::Open)?,
        };
        link.view.show(overlay.clone(), moment.now_ms, budget.pages_max);
        link.dice.start(moment);
        link.guard.set_budget(&budget);
        set_last_insert_rowid(&link.connection, 0);
        if link.guard.full_text_tables.get().is_some_and(|tables| !tables.is_empty()) {
            // FTS5 runs statements of its own, which nobody prepares through us.
            reset_step_counters(&link.connection);
        }
        let changes_before = link.connection.total_changes();
        Ok(Bound { pool: self, link: Some(link), changes_before, before: None })
    }

    fn release(&self, link: Link) {
        // An open transaction, also that of a SELECT nobody finished, would make the next episode read this one's cache.
        if in_transaction(&link.connection) || !link.connection.is_autocommit() {
            return;
        }
        drop(link.view.take());
        let mut idle = self.lock();
        if idle.len() < self.idle_max {
            idle.push(link);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("purpose", &self.purpose)
            .field("idle", &self.idle())
            .finish_non_exhaustive()
    }
}

/// A connection that shows one episode. Dropping it rolls back and returns the connection to its pool if it is clean then;
/// what was written is lost unless [`Bound::into_overlay`] takes it.
pub struct Bound<'p> {
    pool: &'p Pool,
    /// None only while being dropped.
    link: Option<Link>,
    changes_before: u64,
    /// The pages as they were at [`Bound::begin`]; None outside of a transaction.
    before: Option<Overlay>,
}

impl Bound<'_> {
    /// Compiles a statement of a package, or takes it from the connection's cache.
    ///
    /// # Errors
    /// What SQLite says; or, if the statement does what the package may not, a message that names it ("ATTACH is not
    /// allowed in a program"); or `SQLITE_ABORT_ROLLBACK` if an earlier statement of the call has rolled everything back.
    pub fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, rusqlite::Error> {
        let link = self.link();
        if TRANSACTION_STATEMENTS.contains(&sql.trim()) {
            // They are in the cache, compiled with this layer's rights.
            return Err(link.guard.refuse("BEGIN, COMMIT or ROLLBACK", self.author()));
        }
        if self.before.is_some() && link.connection.is_autocommit() {
            // RAISE(ROLLBACK), or an interrupted write. What ran now would commit by itself.
            let code = ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK);
            let message = "the call has been rolled back by an earlier statement".to_owned();
            return Err(rusqlite::Error::SqliteFailure(code, Some(message)));
        }
        link.guard.clear_stop();
        let statement = link.guard.compile(self.author(), || link.connection.prepare_cached(sql))?;
        // SQLite calls the progress handler when this counter passes a multiple of its interval, and the counter outlives
        // the run: without this, earlier episodes would shift where a budget ends.
        statement.reset_status(StatementStatus::VmStep);
        Ok(statement)
    }

    /// Tells what a statement reads, writes and returns, without running it. For when a package is loaded; it takes a
    /// fraction of a millisecond.
    ///
    /// # Errors
    /// As [`Bound::prepare`]; and [`rusqlite::Error::MultipleStatement`] for more than one statement.
    pub fn describe(&self, sql: &str) -> Result<StatementInfo, rusqlite::Error> {
        describe(self.link(), self.author(), sql)
    }

    /// Begins the transaction of a call.
    ///
    /// # Errors
    /// [`DatabaseError::Transaction`] if one is open already.
    pub fn begin(&mut self) -> Result<(), DatabaseError> {
        self.transact(BEGIN)?;
        self.before = Some(self.link().view.overlay());
        Ok(())
    }

    /// Commits.
    ///
    /// # Errors
    /// [`DatabaseError::Transaction`], after rolling back: a deferred foreign key is violated, or the overlay is full.
    pub fn commit(&mut self) -> Result<(), DatabaseError> {
        let committed = self.transact(COMMIT);
        match committed {
            Ok(()) => self.before = None,
            Err(_) => self.rollback(),
        }
        committed
    }

    /// Puts everything back to where it was at [`Bound::begin`], whether SQLite has rolled back already (as an interrupted
    /// write does) or not.
    pub fn rollback(&mut self) {
        if !self.link().connection.is_autocommit() {
            // Were it to fail, the transaction would stay open and the connection not be used again.
            let _ = self.transact(ROLLBACK);
        }
        if let Some(before) = self.before.take() {
            // SQLite restores what is in use. Unused pages may keep what was written: harmless, but other bytes.
            self.link().view.restore(before);
        }
    }

    /// Rows inserted, updated or deleted since the binding, triggers and foreign key actions included.
    #[must_use]
    pub fn total_changes(&self) -> u64 {
        self.link().connection.total_changes() - self.changes_before
    }

    /// The connection itself. Statements compiled through it have the rights of whoever was compiled last; use
    /// [`Bound::prepare`].
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.link().connection
    }

    /// The episode's pages as they are now. An open transaction is rolled back.
    #[must_use]
    pub fn into_overlay(mut self) -> Overlay {
        self.rollback();
        self.link().view.take()
    }

    /// Why a statement was interrupted since the last one was prepared.
    #[must_use]
    pub fn stop_reason(&self) -> Option<Stop> {
        let link = self.link();
        let full = || link.view.is_full().then_some(Stop::Pages);
        link.guard.stop().or_else(full)
    }

    fn transact(&mut self, statement: &'static str) -> Result<(), DatabaseError> {
        let link = self.link();
        link.guard
            .as_layer(|| link.connection.prepare_cached(statement)?.execute([]))
            .map(|_| ())
            .map_err(|source| DatabaseError::Transaction { statement, source })
    }

    fn author(&self) -> Author {
        self.pool.purpose.author()
    }

    fn link(&self) -> &Link {
        self.link.as_ref().expect("a binding has its connection until it is dropped")
    }
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        self.rollback();
        if let Some(link) = self.link.take() {
            self.pool.release(link);
        }
    }
}

impl fmt::Debug for Bound<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bound").finish_non_exhaustive()
    }
}
