//! The only place that opens SQLite.
//!
//! An environment's initial database is an immutable [`Image`]. An episode is the [`Overlay`] of pages it has written on
//! top of that. A [`Pool`] lends connections on which any episode of the environment can be shown: [`Pool::bind`] swaps
//! the overlay in, fixes clock, random numbers and budget, and gives a [`Bound`]. What is then read and written depends on
//! image, overlay, moment and the statements, and on nothing else: not on the host, not on what the connection showed before.
//!
//! ```text
//! pool        lending and taking back connections       image       building an image from a package's SQL
//! connection  what is set once on every connection      script      cutting a file of SQL into statements
//! guard       what may be compiled, how long it runs    statement   what a statement reads, writes and returns
//! functions   random(), token(), uuid() by seed         nullness    where a result may be NULL
//! overlay     SQLite's file system, in C's terms        view        what it shows: image, overlay, clock
//!                                                       pages       the copy-on-write map of pages
//! ```

mod connection;
mod functions;
mod guard;
mod image;
mod nullness;
mod overlay;
mod pages;
mod pool;
mod scratch;
mod script;
mod statement;
mod view;

pub use image::{BuildError, BuildErrorKind, Image, ImageSource, SourceFile, build_image};
pub use overlay::{bytes_of, open_bytes};
pub use pages::Overlay;
pub use pool::{Bound, Pool};
pub(crate) use scratch::open_scratch;
pub use statement::{ColumnInfo, ColumnOrigin, Operation, StatementInfo, TableUse};

use std::time::Instant;

/// Size of a database page. The smallest that SQLite's own tables fill well: with 4 KiB pages an episode that has written
/// a little in many tables costs four times as much.
pub const PAGE_BYTES: usize = 1024;

type Page = [u8; PAGE_BYTES];

/// The episode's time and source of randomness, fixed while it is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What the clock shows: milliseconds since 1970-01-01 UTC.
    pub now_ms: i64,
    /// The episode's seed.
    pub seed: u64,
    /// How many calls have committed a change so far.
    pub commits: u64,
}

/// What may be spent while bound.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Instructions of SQLite's virtual machine, over all statements; counted in lots of [`STEPS_PER_LOT`], each
    /// statement's last incomplete lot being free.
    pub steps_max: u64,
    /// When to give up, whatever has been reached by then.
    pub deadline: Option<Instant>,
    /// How many pages the overlay may hold.
    pub pages_max: usize,
}

/// How finely [`Budget::steps_max`] is counted. About 10 us of work, so that looking at the clock as often costs nothing.
pub const STEPS_PER_LOT: u32 = 1000;

/// Why a statement was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// [`Budget::steps_max`] is spent.
    Steps,
    /// [`Budget::deadline`] has passed.
    Deadline,
    /// The overlay would hold more than [`Budget::pages_max`] pages.
    Pages,
}

/// A failure of the database layer itself; a statement's own failure is a [`rusqlite::Error`].
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// No connection could be opened.
    #[error("open a connection: {0}")]
    Open(#[source] rusqlite::Error),
    /// BEGIN or COMMIT failed; [`Bound::stop_reason`] may say why.
    #[error("run {statement}: {source}")]
    Transaction {
        /// `BEGIN` or `COMMIT`.
        statement: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}
