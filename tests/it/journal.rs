//! The journal: what was acknowledged survives, exactly, and nothing that is damaged is guessed at.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use envfarm::episode::{CallError, EpisodeState, IdempotencyKey};
use envfarm::farm::{EpisodeFilter, EpisodeSpec, Farm, FarmError, FarmLimits};
use envfarm::id::{EnvironmentName, EpisodeId, TaskName};
use envfarm::journal::{Durability, JournalError, JournalSettings};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::episodes::arbitrary_call;
use crate::support::{copy_folder, fixtures};

fn settings(directory: &Path, durability: Durability) -> JournalSettings {
    JournalSettings { directory: directory.to_owned(), durability, compact_bytes: u64::MAX }
}

fn farm_with(envs: &Path, settings: &JournalSettings) -> Farm {
    let farm = Farm::open_for_recovery(envs, FarmLimits::default()).unwrap();
    farm.recover(settings).unwrap();
    farm
}

fn farm(directory: &Path) -> Farm {
    farm_with(&fixtures(), &settings(directory, Durability::Batch))
}

fn spec(task: Option<&str>, seed: u64) -> EpisodeSpec {
    EpisodeSpec {
        environment: EnvironmentName::parse("lending").unwrap(),
        task: task.map(|task| TaskName::parse(task).unwrap()),
        seed,
        actor: None,
        owner: None,
    }
}

fn key(text: &str) -> Option<IdempotencyKey> {
    IdempotencyKey::parse(text)
}

fn borrow(farm: &Farm, id: EpisodeId, book: u32, named: &str) -> String {
    let Value::Object(arguments) = json!({"book_id": book, "weeks": 1}) else { unreachable!() };
    farm.episode(&id).unwrap().call("borrow_book", arguments, key(named)).unwrap().text().to_string()
}

/// Everything that can be known of every episode.
fn image(farm: &Farm) -> BTreeMap<EpisodeId, String> {
    let listed = farm.list(&EpisodeFilter::default(), None, usize::MAX);
    let described = listed.into_iter().map(|summary| {
        let live = farm.episode(&summary.id).unwrap();
        let episode = live.lock();
        assert_eq!((summary.calls, summary.state), (episode.calls(), episode.state()), "a list tells the truth");
        let trajectory: Vec<String> =
            episode.trajectory().unwrap().lines().map(|line| serde_json::to_string(&line).unwrap()).collect();
        let diff = serde_json::to_string(&episode.diff().unwrap()).unwrap();
        (summary.id, format!("{:?} {} {diff}\n{}", episode.state(), episode.seed(), trajectory.join("\n")))
    });
    described.collect()
}

/// Does the thing that the number stands for, to one of the episodes.
fn act(farm: &Farm, ids: &mut Vec<EpisodeId>, choice: u32) {
    let Some(id) = ids.get(choice as usize / 97 % ids.len().max(1)).copied() else {
        ids.push(farm.create(spec(None, 1)).unwrap());
        return;
    };
    let live = farm.episode(&id).unwrap();
    match choice % 23 {
        0 => ids.extend(farm.create_all(vec![spec(Some("when_is_it_due"), choice.into()); 3]).unwrap()),
        1 | 2 => ids.extend(farm.fork(&id, 2).unwrap()),
        3 => live.reset().unwrap(),
        4 => drop(live.verify(Some("Answer: 2026-03-24"))),
        5 => {
            farm.remove(&id).unwrap();
            ids.retain(|other| *other != id);
        }
        _ => {
            let (tool, arguments) = arbitrary_call(choice / 23);
            let named = (choice.is_multiple_of(2)).then(|| format!("key {choice}"));
            match live.call(tool, arguments, named.as_deref().and_then(IdempotencyKey::parse)) {
                Ok(_) | Err(CallError::Ended { .. }) => {}
                Err(err) => panic!("{err}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// The files as they are at that moment are what `kill -9` leaves behind.
    #[test]
    fn everything_acknowledged_is_there_again(
        before in prop::collection::vec(any::<u32>(), 1..60),
        between in prop::collection::vec(any::<u32>(), 0..30),
        compacts in any::<bool>(),
    ) {
        let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut here = settings(first.path(), Durability::Batch);
        if compacts {
            here.compact_bytes = 1;
        }
        let farm = farm_with(&fixtures(), &here);
        let mut ids = Vec::new();
        before.iter().for_each(|choice| act(&farm, &mut ids, *choice));
        farm.compact();
        between.iter().for_each(|choice| act(&farm, &mut ids, *choice));
        copy_folder(first.path(), second.path());
        let again = farm_with(&fixtures(), &settings(second.path(), Durability::Batch));
        prop_assert_eq!(image(&again), image(&farm));
        prop_assert_eq!(farm.journal_stats().unwrap().compactions, u64::from(compacts));

        // And it goes on from there as if nothing had happened.
        let mut ids_again = ids.clone();
        for choice in before.iter().filter(|choice| !matches!(*choice % 23, 0..=2)) {
            if !ids.is_empty() {
                act(&farm, &mut ids, *choice);
                act(&again, &mut ids_again, *choice);
            }
        }
        prop_assert_eq!(image(&again), image(&farm));
    }

    #[test]
    fn a_journal_cut_anywhere_is_one_from_earlier(choices in prop::collection::vec(any::<u32>(), 5..40), cut in any::<prop::sample::Index>(), flips in any::<bool>()) {
        let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let farm_here = farm(first.path());
        let mut ids = Vec::new();
        let mut images = vec![(file_bytes(first.path()), image(&farm_here))];
        for choice in choices {
            act(&farm_here, &mut ids, choice);
            images.push((file_bytes(first.path()), image(&farm_here)));
        }
        copy_folder(first.path(), second.path());
        let file = only_file(second.path());
        let mut bytes = fs::read(&file).unwrap();
        let first_line = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let at = first_line + cut.index(bytes.len() - first_line);
        if flips {
            bytes[at] ^= 4;
        } else {
            bytes.truncate(at);
        }
        fs::write(&file, &bytes).unwrap();

        let again = farm(second.path());
        let (_, expected) = images.iter().rev().find(|(length, _)| *length <= at).unwrap();
        prop_assert_eq!(&image(&again), expected);
        let kept: u64 = again.journal_stats().unwrap().cut_bytes;
        let good = images.iter().rev().find(|(length, _)| *length <= at).unwrap().0;
        prop_assert_eq!(kept, (bytes.len() - good) as u64);
        // What was cut off is kept aside, and the journal can be appended to.
        let aside = fs::read_dir(second.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension.to_string_lossy().starts_with("cut-"))
        });
        prop_assert_eq!(aside.count(), usize::from(kept > 0));
        let id = again.create(spec(None, 9)).unwrap();
        drop(again);
        prop_assert!(farm(second.path()).episode(&id).is_ok());
    }
}

fn only_file(directory: &Path) -> PathBuf {
    directory.join("journal-00000001.log")
}

fn file_bytes(directory: &Path) -> usize {
    fs::metadata(only_file(directory)).unwrap().len() as usize
}

#[test]
fn a_call_sent_again_after_a_crash_gives_its_first_result() {
    let directory = TempDir::new().unwrap();
    let farm_before = farm(directory.path());
    let id = farm_before.create(spec(None, 4)).unwrap();
    let first = borrow(&farm_before, id, 11, "one");
    borrow(&farm_before, id, 12, "two");
    drop(farm_before);

    let farm = farm(directory.path());
    assert_eq!(borrow(&farm, id, 11, "one"), first);
    let live = farm.episode(&id).unwrap();
    assert_eq!(live.lock().calls(), 2);
    let Value::Object(other) = json!({"book_id": 13, "weeks": 1}) else { unreachable!() };
    assert!(matches!(live.call("borrow_book", other, key("one")), Err(CallError::KeyReused { .. })));
    assert!(matches!(live.call("list_loans", Map::new(), key("one")), Err(CallError::KeyReused { .. })));
}

#[test]
fn an_episode_whose_package_changed_is_faulted_and_never_replayed() {
    let (envs, journal) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    copy_folder(&fixtures().join("lending"), &envs.path().join("lending"));
    copy_folder(&fixtures().join("notebook"), &envs.path().join("notebook"));
    let here = settings(journal.path(), Durability::Batch);
    let farm_before = farm_with(envs.path(), &here);
    let changed = farm_before.create(spec(None, 0)).unwrap();
    let ended = farm_before.create(spec(Some("when_is_it_due"), 0)).unwrap();
    farm_before.episode(&ended).unwrap().verify(None).unwrap();
    let notebook = EpisodeSpec { environment: EnvironmentName::parse("notebook").unwrap(), ..spec(None, 0) };
    let unchanged = farm_before.create(notebook).unwrap();
    drop(farm_before);
    let data = envs.path().join("lending/data.sql");
    fs::write(&data, format!("{}\n-- changed\n", fs::read_to_string(&data).unwrap())).unwrap();

    for restart in 0..2 {
        let farm = Farm::open_for_recovery(envs.path(), FarmLimits::default()).unwrap();
        let recovered = farm.recover(&here).unwrap();
        assert_eq!((recovered.episodes, recovered.faulted), (3, usize::from(restart == 0)));
        assert!(matches!(farm.episode(&changed), Err(FarmError::Faulted { .. })));
        assert_eq!(farm.summary_of(&changed).unwrap().state, EpisodeState::Faulted);
        assert_eq!(farm.summary_of(&ended).unwrap().state, EpisodeState::Terminated);
        assert!(farm.episode(&unchanged).is_ok());
    }
}

#[test]
fn nothing_is_answered_before_the_journal_was_read() {
    let directory = TempDir::new().unwrap();
    let farm = Farm::open_for_recovery(&fixtures(), FarmLimits::default()).unwrap();
    assert!(!farm.is_ready());
    assert!(matches!(farm.create(spec(None, 0)), Err(FarmError::Recovering)));
    farm.recover(&settings(directory.path(), Durability::Sync)).unwrap();
    assert!(farm.is_ready());
    farm.create(spec(None, 0)).unwrap();
}

#[test]
fn a_journal_belongs_to_one_process() {
    let directory = TempDir::new().unwrap();
    let _held = farm(directory.path());
    let other = Farm::open_for_recovery(&fixtures(), FarmLimits::default()).unwrap();
    let refused = other.recover(&settings(directory.path(), Durability::Batch));
    assert!(matches!(refused, Err(JournalError::InUse { .. })), "{refused:?}");
}

#[test]
fn a_file_of_another_version_is_not_touched() {
    let directory = TempDir::new().unwrap();
    fs::write(only_file(directory.path()), "envfarm-journal 2\nwhat comes").unwrap();
    let farm = Farm::open_for_recovery(&fixtures(), FarmLimits::default()).unwrap();
    let refused = farm.recover(&settings(directory.path(), Durability::Batch));
    assert!(matches!(refused, Err(JournalError::Version { .. })), "{refused:?}");
    assert_eq!(fs::read_to_string(only_file(directory.path())).unwrap(), "envfarm-journal 2\nwhat comes");
}

#[test]
fn rewriting_drops_what_was_closed_and_what_was_reset() {
    let directory = TempDir::new().unwrap();
    let here = JournalSettings { compact_bytes: 1, ..settings(directory.path(), Durability::Sync) };
    let farm = farm_with(&fixtures(), &here);
    let ids = farm.create_all(vec![spec(None, 0); 200]).unwrap();
    for (number, id) in ids.iter().enumerate() {
        (0..10).for_each(|book| drop(borrow(&farm, *id, 11 + book % 6, &format!("{number} {book}"))));
    }
    farm.remove_all(&ids[1..]).unwrap();
    farm.episode(&ids[0]).unwrap().reset().unwrap();
    let before = farm.journal_stats().unwrap().bytes;
    farm.compact();
    let after = farm.journal_stats().unwrap().bytes;
    assert!(after * 100 < before, "{before} bytes became {after}");
    // It isn't worth it again until it has doubled.
    farm.compact();
    assert_eq!(farm.journal_stats().unwrap().compactions, 1);
    let held = image(&farm);
    drop(farm);
    assert_eq!(image(&farm_with(&fixtures(), &here)), held);
}

#[test]
fn what_none_has_gathered_is_written_when_the_farm_is_flushed() {
    let directory = TempDir::new().unwrap();
    let here = settings(directory.path(), Durability::None);
    let farm = farm_with(&fixtures(), &here);
    let id = farm.create(spec(None, 0)).unwrap();
    borrow(&farm, id, 11, "one");
    farm.flush().unwrap();
    assert_eq!(farm.journal_stats().unwrap().lag_bytes, 0);
    let held = image(&farm);
    drop(farm);
    assert_eq!(image(&farm_with(&fixtures(), &here)), held);
}
