//! The pages an episode has written: a persistent map from page number to page.
//!
//! Two levels of reference-counted nodes, so that a fork is one pointer and the first write after it copies one short
//! list of pointers, one chunk and one page, however many pages the episode has written before.

use std::fmt;
use std::sync::Arc;

use super::image::Image;
use super::{PAGE_BYTES, Page};

/// Most pages in one chunk: a write after a fork copies at most this many pointers (1 KiB), and an episode of 100,000
/// pages still has a root of a few thousand entries. Episodes usually stay within one chunk.
const CHUNK_PAGES_MAX: usize = 64;

/// Room added to a full chunk. Vec would double it, which shows when 100,000 episodes hold one chunk each.
const CHUNK_GROWTH: usize = 4;

type Chunk = Vec<(u32, Arc<Page>)>;

/// The pages an episode has written on top of its environment's image. Cloning is forking: pages are shared and copied on
/// write. The default is the untouched image.
#[derive(Clone, Default)]
pub struct Overlay {
    /// None while nothing differs from the image, so that creating an episode allocates nothing.
    root: Option<Arc<Root>>,
}

#[derive(Clone)]
struct Root {
    /// Ordered by page number, none empty.
    chunks: Vec<Arc<Chunk>>,
    /// Pages in all chunks.
    pages: usize,
    /// Length of the file, in pages.
    file_pages: u32,
    /// How much of the image shows through: what was once truncated must not reappear when the file grows again.
    image_pages: u32,
}

impl Overlay {
    /// How many pages differ from the image.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.pages)
    }

    /// Heap bytes this overlay alone could free at most: pages shared with forks count for each of them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Some(root) = &self.root else {
            return 0;
        };
        let counts = 2 * size_of::<usize>();
        let slots: usize = root.chunks.iter().map(|chunk| chunk.capacity()).sum();
        root.pages * (PAGE_BYTES + counts)
            + slots * size_of::<(u32, Arc<Page>)>()
            + root.chunks.len() * (counts + size_of::<Chunk>())
            + root.chunks.capacity() * size_of::<Arc<Chunk>>()
            + counts
            + size_of::<Root>()
    }

    /// The whole database as one file: the image with this overlay's pages. Any SQLite can open it.
    #[must_use]
    pub fn materialize(&self, image: &Image) -> Vec<u8> {
        let file_pages = self.file_pages(image);
        let mut bytes = Vec::with_capacity(file_pages as usize * PAGE_BYTES);
        for number in 1..=file_pages {
            bytes.extend_from_slice(self.page(number, image).unwrap_or(&[0; PAGE_BYTES]));
        }
        bytes
    }

    /// The overlay that makes `image` show `bytes`, a database of the same page size.
    #[must_use]
    pub fn from_bytes(image: &Image, bytes: &[u8]) -> Self {
        let mut overlay = Self::default();
        let (pages, _) = bytes.as_chunks::<PAGE_BYTES>();
        for (number, page) in (1..).zip(pages) {
            // Without a limit nothing is full.
            drop(overlay.write(number, page, image, usize::MAX));
        }
        overlay.truncate(u32::try_from(pages.len()).unwrap_or(u32::MAX), image);
        overlay
    }

    /// Length of the file, in pages.
    pub(super) fn file_pages(&self, image: &Image) -> u32 {
        self.root.as_ref().map_or(image.pages(), |root| root.file_pages)
    }

    /// The page as the episode sees it; None where the file has a hole or has ended. Pages count from 1.
    pub(super) fn page<'a>(&'a self, number: u32, image: &'a Image) -> Option<&'a Page> {
        let Some(root) = &self.root else {
            return image.page(number);
        };
        if let Some(page) = root.page(number) {
            return Some(page);
        }
        if number <= root.image_pages { image.page(number) } else { None }
    }

    /// Writes one page, unless that would make more than `pages_max` pages differ from the image. A page that equals the
    /// image's again costs nothing; so undoing a transaction never needs more room than doing it.
    pub(super) fn write(&mut self, number: u32, page: &Page, image: &Image, pages_max: usize) -> Result<(), Full> {
        let image_pages = self.root.as_ref().map_or(image.pages(), |root| root.image_pages);
        if number <= image_pages && image.page(number) == Some(page) {
            self.forget(number, image);
            return Ok(());
        }
        if self.pages() >= pages_max && self.root.as_ref().is_none_or(|root| root.page(number).is_none()) {
            return Err(Full);
        }
        let root = self.root_mut(image);
        root.insert(number, page);
        root.file_pages = root.file_pages.max(number);
        Ok(())
    }

    /// Sets the file's length. What lies behind it is gone for good.
    pub(super) fn truncate(&mut self, file_pages: u32, image: &Image) {
        if self.file_pages(image) == file_pages {
            return;
        }
        let root = self.root_mut(image);
        root.file_pages = file_pages;
        root.image_pages = root.image_pages.min(file_pages);
        root.remove_behind(file_pages);
        self.drop_empty_root(image);
    }

    fn forget(&mut self, number: u32, image: &Image) {
        let holds = |root: &Arc<Root>| root.page(number).is_some();
        if self.root.as_ref().is_some_and(holds) {
            self.root_mut(image).remove(number);
            self.drop_empty_root(image);
        }
    }

    fn root_mut(&mut self, image: &Image) -> &mut Root {
        Arc::make_mut(self.root.get_or_insert_with(|| {
            Arc::new(Root { chunks: Vec::new(), pages: 0, file_pages: image.pages(), image_pages: image.pages() })
        }))
    }

    fn drop_empty_root(&mut self, image: &Image) {
        let untouched =
            |root: &Arc<Root>| root.pages == 0 && root.file_pages == image.pages() && root.image_pages == image.pages();
        if self.root.as_ref().is_some_and(untouched) {
            self.root = None;
        }
    }
}

impl Root {
    /// The chunk in which `number` is or would be; the number of chunks if it lies behind all of them.
    fn chunk_of(&self, number: u32) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|&(last, _)| last < number))
    }

    fn page(&self, number: u32) -> Option<&Page> {
        let chunk = self.chunks.get(self.chunk_of(number))?;
        let slot = chunk.binary_search_by_key(&number, |&(at, _)| at).ok()?;
        Some(&*chunk[slot].1)
    }

    fn insert(&mut self, number: u32, page: &Page) {
        if self.chunks.is_empty() {
            self.chunks.push(Arc::default());
        }
        let mut index = self.chunk_of(number).min(self.chunks.len() - 1);
        let chunk = Arc::make_mut(&mut self.chunks[index]);
        match chunk.binary_search_by_key(&number, |&(at, _)| at) {
            Ok(slot) => match Arc::get_mut(&mut chunk[slot].1) {
                Some(own) => own.copy_from_slice(page),
                None => chunk[slot].1 = Arc::new(*page),
            },
            Err(mut slot) => {
                self.pages += 1;
                if chunk.len() == CHUNK_PAGES_MAX {
                    // A file that grows appends: leave full chunks behind instead of half-full ones.
                    let at = if slot == CHUNK_PAGES_MAX { slot } else { CHUNK_PAGES_MAX / 2 };
                    let tail = chunk.split_off(at);
                    self.chunks.insert(index + 1, Arc::new(tail));
                    if slot >= at {
                        index += 1;
                        slot -= at;
                    }
                }
                let chunk = Arc::make_mut(&mut self.chunks[index]);
                if chunk.len() == chunk.capacity() {
                    chunk.reserve_exact(CHUNK_GROWTH);
                }
                chunk.insert(slot, (number, Arc::new(*page)));
            }
        }
    }

    fn remove(&mut self, number: u32) {
        let index = self.chunk_of(number);
        let Some(chunk) = self.chunks.get_mut(index) else {
            return;
        };
        let chunk = Arc::make_mut(chunk);
        if let Ok(slot) = chunk.binary_search_by_key(&number, |&(at, _)| at) {
            chunk.remove(slot);
            self.pages -= 1;
            if chunk.is_empty() {
                self.chunks.remove(index);
            }
        }
    }

    fn remove_behind(&mut self, file_pages: u32) {
        while let Some(last) = self.chunks.last_mut() {
            if last.last().is_some_and(|&(number, _)| number <= file_pages) {
                return;
            }
            let keep = last.partition_point(|&(number, _)| number <= file_pages);
            self.pages -= last.len() - keep;
            if keep > 0 {
                Arc::make_mut(last).truncate(keep);
                return;
            }
            self.chunks.pop();
        }
    }
}

/// A write was refused because the overlay holds as many pages as it may.
#[derive(Debug)]
pub(super) struct Full;

impl fmt::Debug for Overlay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Overlay").field("pages", &self.pages()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const IMAGE_PAGES: u32 = 300;

    /// The plain equivalent: all pages.
    #[derive(Clone)]
    struct Model(Vec<Page>);

    #[derive(Debug, Clone)]
    enum Operation {
        Write(u32, u8),
        /// Writes what the image has there.
        Undo(u32),
        Append(u8),
        Truncate(u32),
        Fork,
        /// Goes on with what was forked last.
        Return,
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            20 => (1..IMAGE_PAGES + 20, any::<u8>()).prop_map(|(number, byte)| Operation::Write(number, byte)),
            4 => (1..=IMAGE_PAGES).prop_map(Operation::Undo),
            10 => any::<u8>().prop_map(Operation::Append),
            1 => (1..IMAGE_PAGES + 20).prop_map(Operation::Truncate),
            2 => Just(Operation::Fork),
            1 => Just(Operation::Return),
        ]
    }

    fn image() -> Image {
        let page = |number: u32| [number as u8; PAGE_BYTES];
        Image::new((1..=IMAGE_PAGES).flat_map(page).collect())
    }

    fn write(overlay: &mut Overlay, model: &mut Model, image: &Image, number: u32, page: &Page) {
        overlay.write(number, page, image, usize::MAX).unwrap();
        let number = number as usize;
        if model.0.len() < number {
            model.0.resize(number, [0; PAGE_BYTES]);
        }
        model.0[number - 1] = *page;
    }

    fn apply(overlay: &mut Overlay, model: &mut Model, image: &Image, operation: &Operation) {
        match *operation {
            Operation::Write(number, byte) => write(overlay, model, image, number, &[byte; PAGE_BYTES]),
            Operation::Undo(number) => write(overlay, model, image, number, image.page(number).unwrap()),
            Operation::Append(byte) => {
                let number = model.0.len() as u32 + 1;
                write(overlay, model, image, number, &[byte; PAGE_BYTES]);
            }
            Operation::Truncate(pages) => {
                overlay.truncate(pages, image);
                model.0.resize(pages as usize, [0; PAGE_BYTES]);
            }
            Operation::Fork | Operation::Return => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_overlay_is_a_file(operations in vec(operation(), 1..400)) {
            let image = image();
            let pages = image.bytes().chunks(PAGE_BYTES).map(|page| page.try_into().unwrap()).collect();
            let mut now = (Overlay::default(), Model(pages));
            let mut forks = vec![now.clone()];
            for operation in &operations {
                match operation {
                    Operation::Fork => forks.push(now.clone()),
                    Operation::Return => now = forks.pop().unwrap_or(now),
                    _ => apply(&mut now.0, &mut now.1, &image, operation),
                }
            }
            forks.push(now);
            for (overlay, model) in &forks {
                prop_assert!(overlay.materialize(&image) == model.0.concat());
                let root = overlay.root.as_ref();
                let chunks = || root.into_iter().flat_map(|root| &root.chunks);
                prop_assert!(chunks().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK_PAGES_MAX));
                prop_assert_eq!(overlay.pages(), chunks().map(|chunk| chunk.len()).sum::<usize>());
            }
        }
    }

    #[test]
    fn what_equals_the_image_is_not_kept() {
        let image = image();
        let mut overlay = Overlay::default();
        overlay.write(7, &[0; PAGE_BYTES], &image, 1).unwrap();
        assert!(overlay.write(8, &[0; PAGE_BYTES], &image, 1).is_err(), "full");
        overlay.write(7, &[1; PAGE_BYTES], &image, 1).unwrap();
        overlay.write(8, &[8; PAGE_BYTES], &image, 1).unwrap();
        overlay.write(7, &[7; PAGE_BYTES], &image, 1).unwrap();
        assert!(overlay.root.is_none());
    }
}
