//! A plain database in memory, for what is made and never served: the rows of a synthesized package.

use rusqlite::{Connection, OpenFlags, Result};

/// Opens an empty one.
pub(crate) fn open_scratch() -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_in_memory_with_flags(flags)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}
