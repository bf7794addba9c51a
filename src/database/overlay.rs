//! SQLite's file system for one connection: the environment's image with one episode's pages on top. The only `unsafe` module.
//!
//! Each connection has a file system (`sqlite3_vfs`) of its own, because SQLite asks the file system for the time without
//! saying for which connection. It knows two files: [`EPISODE_FILE`], which shows whatever [`View::show`] put there last,
//! and [`IMAGE_FILE`], the image itself, read-only. Journals and temporary tables live in memory (the connection's
//! settings), so nothing else is ever opened.
//!
//! What keeps this sound: SQLite calls back only inside calls on the connection, which has one owner at a time; every
//! callback reaches its [`View`] through a pointer that [`Vfs`] keeps valid until after the connection has been closed; the
//! view's contents are behind a mutex; and no callback panics (a panic would abort, being `extern "C"`). `tests/run-valgrind`
//! runs the tests of this layer under valgrind or AddressSanitizer.
#![expect(unsafe_code, reason = "SQLite's file system interface is a table of C functions")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::{ptr, slice};

use rusqlite::{Connection, ffi};

use super::view::View;
use super::{PAGE_BYTES, Page};

/// The file that shows the episode.
pub(super) const EPISODE_FILE: &CStr = c"episode";
/// The file that shows the image.
pub(super) const IMAGE_FILE: &CStr = c"image";

/// Milliseconds between the beginning of the Julian period, from which SQLite counts, and 1970.
const JULIAN_EPOCH_MS: i64 = 210_866_760_000_000;

/// A connection's file system. Must outlive the connection.
pub(super) struct Vfs {
    /// Owned; a plain pointer, since SQLite holds it too.
    table: *mut ffi::sqlite3_vfs,
    name: CString,
    /// What `table.pAppData` points at.
    _view: Arc<View>,
}

// SAFETY: the table is only read, by SQLite, on whichever thread owns the connection; `View` is Sync.
unsafe impl Send for Vfs {}

impl Vfs {
    /// Makes the file system known to SQLite under a name of its own.
    pub(super) fn register(view: Arc<View>) -> Result<Self, c_int> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        configure_process();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = CString::new(format!("envfarm-{number}")).unwrap_or_default();
        let table = Box::into_raw(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<OpenFile>() as c_int,
            mxPathname: 64,
            pNext: ptr::null_mut(),
            zName: name.as_ptr(),
            pAppData: Arc::as_ptr(&view).cast_mut().cast(),
            xOpen: Some(vfs_open),
            xDelete: Some(vfs_delete),
            xAccess: Some(vfs_access),
            xFullPathname: Some(vfs_full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(vfs_randomness),
            xSleep: Some(vfs_sleep),
            xCurrentTime: Some(vfs_current_time),
            xGetLastError: Some(vfs_get_last_error),
            xCurrentTimeInt64: Some(vfs_current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        let vfs = Self { table, name, _view: view };
        // SAFETY: the table and everything it points at stay where they are until `unregister`, which `drop` calls.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs.table, 0) };
        if code == ffi::SQLITE_OK { Ok(vfs) } else { Err(code) }
    }

    pub(super) fn name(&self) -> &CStr {
        &self.name
    }

    /// Takes the file system off SQLite's list, which is searched linearly. Open files and the clock go on working; ATTACH
    /// and VACUUM, which look the name up, don't.
    pub(super) fn unregister(&self) {
        // SAFETY: unregistering twice is harmless (SQLite looks for the pointer on its list).
        unsafe { ffi::sqlite3_vfs_unregister(self.table) };
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        self.unregister();
        // SAFETY: made by `Box::into_raw`; SQLite has forgotten it, as the connection is closed by now.
        drop(unsafe { Box::from_raw(self.table) });
    }
}

/// Settings of SQLite as a whole. Memory statistics are behind one lock and would keep threads from scaling. Local time
/// is the host's, so asking for it must fail rather than leak into an episode.
fn configure_process() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: both take an int. The first is refused, harmlessly, if somebody has initialised SQLite before; it is not
        // thread-safe, so `Once` keeps our own threads out, and only this module opens connections.
        unsafe {
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int);
            ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_LOCALTIME_FAULT, 1 as c_int);
        }
    });
}

/// Sets what `last_insert_rowid()` answers until the next insert.
pub(super) fn set_last_insert_rowid(connection: &Connection, rowid: i64) {
    // SAFETY: the handle is valid while the connection is borrowed.
    unsafe { ffi::sqlite3_set_last_insert_rowid(connection.handle(), rowid) }
}

/// Sets the step counters of all compiled statements to 0, those inside FTS5 included.
pub(super) fn reset_step_counters(connection: &Connection) {
    // SAFETY: the handle is valid while the connection is borrowed, and the statements on its list as long as none is
    // finalized, which only this thread could do.
    unsafe {
        let mut statement = ffi::sqlite3_next_stmt(connection.handle(), ptr::null_mut());
        while !statement.is_null() {
            ffi::sqlite3_stmt_status(statement, ffi::SQLITE_STMTSTATUS_VM_STEP, 1);
            statement = ffi::sqlite3_next_stmt(connection.handle(), statement);
        }
    }
}

/// Whether any transaction is open, also that of an unfinished SELECT.
pub(super) fn in_transaction(connection: &Connection) -> bool {
    // SAFETY: the handle is valid while the connection is borrowed; a null name asks about all databases.
    let state = unsafe { ffi::sqlite3_txn_state(connection.handle(), ptr::null()) };
    state != ffi::SQLITE_TXN_NONE
}

/// Opens a copy of a database in memory: plain SQLite, with nothing of an episode's clock or random numbers.
///
/// # Errors
/// No memory, or SQLite refuses to open.
pub fn open_bytes(bytes: &[u8]) -> rusqlite::Result<Connection> {
    configure_process();
    #[expect(clippy::disallowed_methods, reason = "this is the database layer")]
    let connection = Connection::open_in_memory()?;
    let length = bytes.len() as i64;
    let flags = ffi::SQLITE_DESERIALIZE_FREEONCLOSE | ffi::SQLITE_DESERIALIZE_RESIZEABLE;
    // SAFETY: the buffer comes from SQLite's allocator, is `length` bytes long and belongs to SQLite from here on
    // (it frees it even on failure).
    let code = unsafe {
        let buffer = ffi::sqlite3_malloc64(bytes.len().max(1) as u64).cast::<u8>();
        if buffer.is_null() {
            ffi::SQLITE_NOMEM
        } else {
            ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len());
            ffi::sqlite3_deserialize(connection.handle(), c"main".as_ptr(), buffer, length, length, flags)
        }
    };
    if code == ffi::SQLITE_OK {
        Ok(connection)
    } else {
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }
}

/// The bytes of a database opened with [`open_bytes`], as it is now.
///
/// # Errors
/// No memory.
pub fn bytes_of(mut connection: Connection) -> rusqlite::Result<Vec<u8>> {
    Ok(connection.serialize(rusqlite::MAIN_DB)?.to_vec())
}

/// An open file, in memory that SQLite provides: `base` first, as SQLite wants it.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    view: *const View,
    is_image: bool,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(file_ok),
    xRead: Some(file_read),
    xWrite: Some(file_write),
    xTruncate: Some(file_truncate),
    xSync: Some(file_ok_int),
    xFileSize: Some(file_size),
    // One episode, one call, one connection: nobody to lock out.
    xLock: Some(file_ok_int),
    xUnlock: Some(file_ok_int),
    xCheckReservedLock: Some(file_check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(file_sector_size),
    xDeviceCharacteristics: Some(file_device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

// SAFETY, for all functions below: SQLite passes the table it was registered with or a file it opened with `vfs_open`,
// buffers as long as it says and places to store results, all valid for the duration of the call.

/// The view of the file system or file SQLite passes.
unsafe fn view_of<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a View {
    // SAFETY: see above; `Vfs` keeps the view alive.
    unsafe { &*(*vfs).pAppData.cast::<View>() }
}

unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> (&'a View, bool) {
    // SAFETY: see above; `vfs_open` has filled it in.
    unsafe {
        let file = file.cast::<OpenFile>();
        (&*(*file).view, (*file).is_image)
    }
}

unsafe extern "C" fn vfs_open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    unsafe {
        // Without methods SQLite doesn't close what could not be opened.
        (*file).pMethods = ptr::null();
        let name = if name.is_null() { c"" } else { CStr::from_ptr(name) };
        let is_image = name == IMAGE_FILE;
        if flags & ffi::SQLITE_OPEN_MAIN_DB == 0 || !(is_image || name == EPISODE_FILE) {
            return ffi::SQLITE_CANTOPEN;
        }
        file.cast::<OpenFile>().write(OpenFile {
            base: ffi::sqlite3_file { pMethods: &raw const METHODS },
            view: ptr::from_ref(view_of(vfs)),
            is_image,
        });
        if !out_flags.is_null() {
            let access = if is_image { ffi::SQLITE_OPEN_READONLY } else { ffi::SQLITE_OPEN_READWRITE };
            *out_flags = ffi::SQLITE_OPEN_MAIN_DB | access;
        }
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn vfs_delete(_: *mut ffi::sqlite3_vfs, _: *const c_char, _: c_int) -> c_int {
    ffi::SQLITE_IOERR_DELETE_NOENT
}

/// SQLite asks whether a journal lies about: never.
unsafe extern "C" fn vfs_access(_: *mut ffi::sqlite3_vfs, _: *const c_char, _: c_int, out: *mut c_int) -> c_int {
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn vfs_full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    out_bytes: c_int,
    out: *mut c_char,
) -> c_int {
    unsafe {
        let name = CStr::from_ptr(name).to_bytes_with_nul();
        if name.len() > out_bytes as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(name.as_ptr(), out.cast(), name.len());
    }
    ffi::SQLITE_OK
}

/// Nothing on these connections may depend on the host's randomness.
unsafe extern "C" fn vfs_randomness(_: *mut ffi::sqlite3_vfs, bytes: c_int, out: *mut c_char) -> c_int {
    unsafe { ptr::write_bytes(out, 0, bytes as usize) };
    bytes
}

unsafe extern "C" fn vfs_sleep(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn vfs_current_time_int64(vfs: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    unsafe {
        let view = view_of(vfs);
        *out = view.read_clock().saturating_add(JULIAN_EPOCH_MS);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn vfs_current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    const DAY_MS: f64 = 86_400_000.0;
    unsafe {
        let mut now = 0;
        vfs_current_time_int64(vfs, &raw mut now);
        *out = now as f64 / DAY_MS;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn vfs_get_last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn file_ok(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_ok_int(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_read(file: *mut ffi::sqlite3_file, out: *mut c_void, bytes: c_int, offset: i64) -> c_int {
    let (view, is_image) = unsafe { opened(file) };
    let out = unsafe { slice::from_raw_parts_mut(out.cast::<u8>(), bytes as usize) };
    let complete = if is_image { view.read_image(out, offset as usize) } else { view.read(out, offset as usize) };
    if complete { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_SHORT_READ }
}

unsafe extern "C" fn file_write(file: *mut ffi::sqlite3_file, data: *const c_void, bytes: c_int, offset: i64) -> c_int {
    let (view, is_image) = unsafe { opened(file) };
    // The pager writes whole pages only.
    let number = u32::try_from(offset / PAGE_BYTES as i64 + 1);
    let (Ok(number), false) = (number, is_image) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    if bytes as usize != PAGE_BYTES || offset % PAGE_BYTES as i64 != 0 {
        return ffi::SQLITE_IOERR_WRITE;
    }
    match view.write(number, unsafe { &*data.cast::<Page>() }) {
        Ok(()) => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_FULL,
    }
}

unsafe extern "C" fn file_truncate(file: *mut ffi::sqlite3_file, bytes: i64) -> c_int {
    let (view, is_image) = unsafe { opened(file) };
    let pages = u32::try_from((bytes as u64).div_ceil(PAGE_BYTES as u64));
    let (Ok(pages), false) = (pages, is_image) else {
        return ffi::SQLITE_IOERR_TRUNCATE;
    };
    view.truncate(pages);
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    let (view, is_image) = unsafe { opened(file) };
    let pages = if is_image { view.image_pages() } else { view.file_pages() };
    unsafe { *out = i64::from(pages) * PAGE_BYTES as i64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_check_reserved_lock(_: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn file_sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    PAGE_BYTES as c_int
}

/// Writing one page never harms its neighbours, so SQLite needn't journal them.
unsafe extern "C" fn file_device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}
