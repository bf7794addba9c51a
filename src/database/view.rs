//! What one connection sees: the image, one episode's pages on top, and the episode's clock.
//!
//! SQLite keeps its page cache from one transaction to the next unless the 16 bytes at offset 24 of the file have changed,
//! the first four of which are the change counter. So the view answers reads of the counter (and of its copy at offset 92)
//! with a number that no other binding of this connection has had. The counter that is *stored* is always the image's:
//! the same calls leave the same bytes, on whichever connection they ran.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::image::Image;
use super::pages::{Full, Overlay};
use super::{PAGE_BYTES, Page};

/// Offsets of the change counter and its copy in the database header (SQLite file format, section 1.3).
const COUNTER_OFFSETS: [usize; 2] = [24, 92];

/// What one connection's file system shows.
#[derive(Debug)]
pub(super) struct View {
    image: Arc<Image>,
    shown: Mutex<Shown>,
    now_ms: AtomicI64,
    clock_read: AtomicBool,
}

#[derive(Debug)]
struct Shown {
    overlay: Overlay,
    pages_max: usize,
    full: bool,
    /// What reads of the change counter are answered with.
    counter: u32,
    /// The highest such number so far. It wraps after four billion bindings, which harms nothing: SQLite compares it only
    /// with the one it saw last.
    counter_highest: u32,
}

impl View {
    /// A view of the untouched image.
    pub(super) fn new(image: Arc<Image>) -> Arc<Self> {
        Arc::new(Self {
            image,
            shown: Mutex::new(Shown {
                overlay: Overlay::default(),
                pages_max: usize::MAX,
                full: false,
                counter: 1,
                counter_highest: 1,
            }),
            now_ms: AtomicI64::new(0),
            clock_read: AtomicBool::new(false),
        })
    }

    /// Shows another episode. Nothing SQLite has cached is used any more.
    pub(super) fn show(&self, overlay: Overlay, now_ms: i64, pages_max: usize) {
        let mut shown = self.lock();
        shown.pages_max = pages_max;
        shown.full = false;
        shown.replace(overlay);
        drop(shown);
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Shows other pages of the same episode.
    pub(super) fn restore(&self, overlay: Overlay) {
        self.lock().replace(overlay);
    }

    /// The pages as they are now.
    pub(super) fn overlay(&self) -> Overlay {
        self.lock().overlay.clone()
    }

    /// Takes the overlay out, leaving the untouched image.
    pub(super) fn take(&self) -> Overlay {
        mem::take(&mut self.lock().overlay)
    }

    /// Whether a page was refused since [`View::show`] because the overlay was full.
    pub(super) fn is_full(&self) -> bool {
        self.lock().full
    }

    /// Whether SQLite asked for the time since the last question.
    pub(super) fn take_clock_read(&self) -> bool {
        self.clock_read.swap(false, Ordering::Relaxed)
    }

    /// The time, for SQLite.
    pub(super) fn read_clock(&self) -> i64 {
        self.clock_read.store(true, Ordering::Relaxed);
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Length of the episode's file, in pages.
    pub(super) fn file_pages(&self) -> u32 {
        self.lock().overlay.file_pages(&self.image)
    }

    /// Reads from the episode's file. False if it ends before `out` is full; the rest is zeros then.
    pub(super) fn read(&self, out: &mut [u8], offset: usize) -> bool {
        let shown = self.lock();
        let file_bytes = shown.overlay.file_pages(&self.image) as usize * PAGE_BYTES;
        let page = |number| shown.overlay.page(number, &self.image);
        let complete = copy_range(out, offset, file_bytes, page);
        if offset < PAGE_BYTES && file_bytes > 0 {
            for start in COUNTER_OFFSETS {
                for (at, byte) in (start..).zip(shown.counter.to_be_bytes()) {
                    if let Some(out) = at.checked_sub(offset).and_then(|at| out.get_mut(at)) {
                        *out = byte;
                    }
                }
            }
        }
        complete
    }

    /// Writes a page of the episode's file, counted from 1.
    pub(super) fn write(&self, number: u32, page: &Page) -> Result<(), Full> {
        let mut shown = self.lock();
        let shown = &mut *shown;
        let mut stored;
        let page = if number == 1 {
            shown.take_counter_over(page);
            stored = *page;
            let counter = stored_counter(&self.image);
            for start in COUNTER_OFFSETS {
                stored[start..start + counter.len()].copy_from_slice(&counter);
            }
            &stored
        } else {
            page
        };
        let written = shown.overlay.write(number, page, &self.image, shown.pages_max);
        shown.full |= written.is_err();
        written
    }

    /// Sets the length of the episode's file.
    pub(super) fn truncate(&self, file_pages: u32) {
        self.lock().overlay.truncate(file_pages, &self.image);
    }

    /// Length of the image, in pages.
    pub(super) fn image_pages(&self) -> u32 {
        self.image.pages()
    }

    /// Reads from the image itself; as [`View::read`].
    pub(super) fn read_image(&self, out: &mut [u8], offset: usize) -> bool {
        copy_range(out, offset, self.image.bytes().len(), |number| self.image.page(number))
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn replace(&mut self, overlay: Overlay) {
        self.overlay = overlay;
        self.counter_highest = self.counter_highest.wrapping_add(1);
        self.counter = self.counter_highest;
    }

    /// SQLite counts on from the number it was given, and remembers what it wrote.
    fn take_counter_over(&mut self, page: &Page) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| page[COUNTER_OFFSETS[0] + at]);
        self.counter = u32::from_be_bytes([a, b, c, d]);
        // An undone transaction puts an older number back.
        if self.counter.wrapping_sub(self.counter_highest) < u32::MAX / 2 {
            self.counter_highest = self.counter;
        }
    }
}

/// The counter in the image; 1 while an image is being built.
fn stored_counter(image: &Image) -> [u8; 4] {
    let start = COUNTER_OFFSETS[0];
    image.bytes().get(start..start + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0, 0, 0, 1])
}

/// Copies part of a file made of pages; zeros behind its end and in its holes. False if the end was passed.
fn copy_range<'a>(
    mut out: &mut [u8],
    mut offset: usize,
    file_bytes: usize,
    page: impl Fn(u32) -> Option<&'a Page>,
) -> bool {
    let complete = offset + out.len() <= file_bytes;
    while !out.is_empty() {
        let start = offset % PAGE_BYTES;
        let length = out.len().min(PAGE_BYTES - start);
        let (now, rest) = out.split_at_mut(length);
        let number = u32::try_from(offset / PAGE_BYTES + 1).ok();
        match number.filter(|_| offset < file_bytes).and_then(&page) {
            Some(page) => now.copy_from_slice(&page[start..start + length]),
            None => now.fill(0),
        }
        offset += length;
        out = rest;
    }
    complete
}
