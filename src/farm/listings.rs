//! Listing environments and tasks, in pages. A listing is made from a package's files as they are: with a thousand packages on
//! disk, nothing is compiled to say what there is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Farm, FarmError};
use crate::engine::task;
use crate::id::{EnvironmentName, TaskName};
use crate::package::files::{Difficulty, Facts, TaskFile};
use crate::package::outline::{self, Outline};
use crate::package::split::{self, Split};

/// Listings kept. A listing of ten tasks takes some 10 KiB, so these take at most some 40 MiB; past it the one unused for
/// longest is read again.
const LISTINGS_MAX: usize = 4_096;

/// Environments looked through for one page of tasks. One that is read for the first time takes a few milliseconds, so a page
/// whose filter matches little comes within a second, shorter than asked for, and with a cursor.
const ENVIRONMENTS_PER_PAGE_MAX: usize = 100;

/// What a list says of an environment.
#[derive(Debug)]
pub struct EnvironmentListing {
    /// Its name.
    pub name: EnvironmentName,
    /// Short name for people.
    pub title: String,
    /// One sentence.
    pub summary: String,
    /// The field it models.
    pub domain: String,
    /// The blueprint it was made from.
    pub family: Option<String>,
    /// Number of tools.
    pub tools: usize,
    /// SHA-256 of the package's files, in hexadecimal.
    pub digest: String,
    /// Its tasks, in the order of their file.
    pub tasks: Vec<Arc<TaskListing>>,
}

/// What a trainer learns of a task: nothing of its solution but what it takes in numbers, and nothing of its verifier.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TaskListing {
    /// Its name, unique in the environment.
    #[schemars(with = "String")]
    pub name: TaskName,
    /// Its environment.
    #[schemars(with = "String")]
    pub environment: EnvironmentName,
    /// What the agent is asked.
    pub instruction: String,
    /// To train on, or held out for evaluation. The same on every machine and for ever.
    pub split: Split,
    /// Number of calls of the reference solution.
    pub reference_calls: usize,
    /// How much work it is for an agent that knows what it does; null where the author didn't say.
    pub difficulty: Option<Difficulty>,
    /// What the reference solution takes, in numbers; null where the package doesn't say.
    pub facts: Option<Facts>,
    /// Labels.
    pub tags: Vec<String>,
    /// Id of the actor who asks.
    pub actor: Value,
    /// Whether an answer is judged.
    pub has_answer: bool,
}

/// Which tasks to list; what is absent matches all.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// On this side of the split.
    pub split: Option<Split>,
    /// Whose reference solution has at least so many calls.
    pub calls_min: Option<usize>,
    /// Whose reference solution has at most so many calls.
    pub calls_max: Option<usize>,
    /// With this label.
    pub tag: Option<String>,
    /// So much work.
    pub difficulty: Option<Difficulty>,
}

/// A place between two tasks: behind so many tasks of an environment, or of the first one that comes after that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPosition {
    /// The environment.
    pub environment: EnvironmentName,
    /// Its tasks that are behind.
    pub passed: usize,
}

/// Some tasks of a list.
#[derive(Debug, Default)]
pub struct TaskPage {
    /// The tasks.
    pub tasks: Vec<Arc<TaskListing>>,
    /// Where the list goes on; none at its end.
    pub next: Option<TaskPosition>,
}

/// Listings by environment.
#[derive(Debug, Default)]
pub(super) struct Listings(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    /// Each with when it was last used.
    known: HashMap<EnvironmentName, (u64, Arc<EnvironmentListing>)>,
    /// Counts uses.
    uses: u64,
}

impl Listings {
    fn get(&self, name: &EnvironmentName) -> Option<Arc<EnvironmentListing>> {
        let shelf = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (used, listing) = shelf.known.get_mut(name)?;
        shelf.uses += 1;
        *used = shelf.uses;
        Some(Arc::clone(listing))
    }

    fn keep(&self, listing: &Arc<EnvironmentListing>) {
        let shelf = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.known.len() >= LISTINGS_MAX {
            let oldest = shelf.known.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone());
            oldest.and_then(|name| shelf.known.remove(&name));
        }
        shelf.uses += 1;
        shelf.known.insert(listing.name.clone(), (shelf.uses, Arc::clone(listing)));
    }
}

impl TaskFilter {
    fn matches(&self, task: &TaskListing) -> bool {
        self.split.is_none_or(|split| split == task.split)
            && self.calls_min.is_none_or(|calls| task.reference_calls >= calls)
            && self.calls_max.is_none_or(|calls| task.reference_calls <= calls)
            && self.tag.as_ref().is_none_or(|tag| task.tags.contains(tag))
            && self.difficulty.is_none_or(|difficulty| Some(difficulty) == task.difficulty)
    }
}

impl Farm {
    /// What a list says of an environment, which isn't loaded for it. Reads files the first time.
    ///
    /// # Errors
    /// There is no such environment, or a file of its package can't be read.
    pub fn listing(&self, name: &str) -> Result<Arc<EnvironmentListing>, FarmError> {
        let (name, directory) = self.environments.find(name)?;
        if let Some(listing) = self.environments.listings.get(name) {
            return Ok(listing);
        }
        let outline = outline::read(directory)
            .map_err(|findings| FarmError::InvalidPackage { name: name.clone(), errors: findings.len() })?;
        let listing = Arc::new(listing(name, outline));
        self.environments.listings.keep(&listing);
        Ok(listing)
    }

    /// The environment's name, where there is one of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn environment_name(&self, name: &str) -> Result<&EnvironmentName, FarmError> {
        self.environments.find(name).map(|(name, _)| name)
    }

    /// Tasks in the order of their environments' names, up to `limit`, beginning at `from`. A page may be shorter than asked for
    /// and still not be the last. Environments whose package can't be read have no tasks.
    ///
    /// # Errors
    /// Only one environment's tasks were asked for, and there is no such environment or its package can't be read.
    pub fn tasks(
        &self,
        environment: Option<&str>,
        filter: &TaskFilter,
        from: Option<&TaskPosition>,
        limit: usize,
    ) -> Result<TaskPage, FarmError> {
        let mut page = TaskPage::default();
        if let Some(name) = environment {
            let listing = self.listing(name)?;
            let passed = from.filter(|from| from.environment == listing.name).map_or(0, |from| from.passed);
            page.take(&listing, filter, passed, limit);
            return Ok(page);
        }
        let mut names = self.environment_names().filter(|name| from.is_none_or(|from| **name >= from.environment));
        for name in names.by_ref().take(ENVIRONMENTS_PER_PAGE_MAX) {
            let Ok(listing) = self.listing(name.as_ref()) else { continue };
            let passed = from.filter(|from| from.environment == *name).map_or(0, |from| from.passed);
            page.take(&listing, filter, passed, limit);
            if page.next.is_some() {
                return Ok(page);
            }
        }
        page.next = names.next().map(|name| TaskPosition { environment: name.clone(), passed: 0 });
        Ok(page)
    }
}

impl TaskPage {
    /// Adds the tasks behind the first `passed` ones that match; `next` is set where there are more than the page takes.
    fn take(&mut self, listing: &EnvironmentListing, filter: &TaskFilter, passed: usize, limit: usize) {
        for (number, task) in listing.tasks.iter().enumerate().skip(passed) {
            if !filter.matches(task) {
                continue;
            }
            if self.tasks.len() == limit {
                self.next = Some(TaskPosition { environment: listing.name.clone(), passed: number });
                return;
            }
            self.tasks.push(Arc::clone(task));
        }
    }
}

fn listing(name: &EnvironmentName, outline: Outline) -> EnvironmentListing {
    let Outline { environment, tasks, tools, digest } = outline;
    let family = environment.family.map(|family| family.value);
    let default_actor = &environment.actors.default.value;
    let tasks =
        tasks.iter().filter_map(|file| task(name, family.as_deref(), default_actor, file)).map(Arc::new).collect();
    EnvironmentListing {
        name: name.clone(),
        title: environment.title.value,
        summary: environment.summary.value,
        domain: environment.domain.value,
        family,
        tools,
        digest,
        tasks,
    }
}

/// A task as listed; none where its name is no name, as when the package is compiled.
fn task(
    environment: &EnvironmentName,
    family: Option<&str>,
    default_actor: &Value,
    file: &TaskFile,
) -> Option<TaskListing> {
    let name = TaskName::parse(&file.name).ok()?;
    Some(TaskListing {
        instruction: task::instruction(file),
        split: split::of(family, environment.as_ref(), name.as_ref()),
        reference_calls: file.solution.calls.len(),
        difficulty: file.difficulty,
        facts: file.facts.as_ref().map(|facts| facts.value),
        tags: file.tags.clone(),
        actor: file.actor.as_ref().map_or(default_actor, |actor| &actor.value).clone(),
        has_answer: !file.verify.answer.is_empty(),
        environment: environment.clone(),
        name,
    })
}
