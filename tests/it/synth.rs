//! `envfarm synth`: the same set from the same inputs, whole or not at all, and findings that point at the blueprint.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::Place;

/// Two blueprints that are made quickly.
const SMALL: [&str; 2] = ["--only", "mailbox"];

/// A blueprint with every kind of mistake: YAML that reads, and hardly anything that fits together.
const BROKEN: &str = "\
blueprint: broken
title: Broken
summary: Nothing here fits together.
domain: tests
about: You act for a {{missing}} person.
actor: person
constants:
  limit: [1, 2]
entities:
  person:
    label: name
    columns:
      name: {text: person}
      pet_id: {ref: pet}
      age: {int: [18, 80], text: person}
    rows: [4, 6]
data:
  - UPDATE persons SET nosuch = 1
tools:
  greet:
    about: Greet somebody.
    in:
      person_id: {ref: persno}
    steps:
      - run: UPDATE people SET name = 'x' WHERE
  list_people:
    about: People.
    list: p.id, p.nam
    from: people p
    if: nosuch
";

/// Every file below a folder with its bytes.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn synth(place: &Place, out: &str, more: &[&str]) -> crate::cli::Run {
    let mut arguments = vec!["synth", "--out", out];
    arguments.extend(more);
    place.run(&arguments)
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_other_seeds_other_ones() {
    let place = Place::empty();
    let two = [SMALL[0], SMALL[1], "--count", "2"];
    synth(&place, "first", &[&two[..], &["--jobs", "1"]].concat()).says(0, "2 environments");
    synth(&place, "second", &[&two[..], &["--jobs", "2"]].concat()).says(0, "2 environments");
    assert_eq!(files(&place.path("first")), files(&place.path("second")));
    synth(&place, "third", &[&two[..], &["--seed", "8"]].concat()).says(0, "2 environments");
    let differs = |name: &str| {
        let read = |out: &str| fs::read_to_string(place.path(&format!("{out}/mailbox_01/{name}"))).unwrap();
        read("first") != read("third")
    };
    for name in ["data.sql", "tools.yaml", "tasks.yaml"] {
        assert!(differs(name), "{name} is the same with another seed");
    }
}

#[test]
fn a_set_that_was_broken_off_goes_on_and_a_strange_folder_is_left_alone() {
    let place = Place::empty();
    let three = [SMALL[0], SMALL[1], "--count", "3"];
    synth(&place, "whole", &three).says(0, "3 made now");
    synth(&place, "broken_off", &three).says(0, "3 made now");
    fs::remove_dir_all(place.path("broken_off/mailbox_02")).unwrap();
    fs::create_dir(place.path("broken_off/mailbox_02.partial")).unwrap();
    fs::remove_file(place.path("broken_off/mailbox_03/tasks.yaml")).unwrap();
    synth(&place, "broken_off", &three).says(0, "2 made now");
    assert_eq!(files(&place.path("whole")), files(&place.path("broken_off")));

    synth(&place, "whole", &[SMALL[0], SMALL[1], "--count", "2"]).says(2, "another count, seed or other blueprints");
    fs::create_dir(place.path("strange")).unwrap();
    fs::write(place.path("strange/letter.txt"), "dear").unwrap();
    synth(&place, "strange", &three).says(2, "isn't empty");
    assert_eq!(files(&place.path("strange")).len(), 1);
}

#[test]
fn what_is_synthesized_passes_every_check() {
    let place = Place::empty();
    synth(&place, "set", &["--only", "hotel_reservations", "--count", "1"]).says(0, "no finding");
    let report = place.run(&["check", "set", "--json"]).json();
    assert_eq!(report["totals"]["diagnostics"], 0, "{report:#}");
    let environment = &report["environments"][0];
    assert_eq!(environment["tasks"], 10);
    assert!((34..=40).contains(&environment["tools"].as_u64().unwrap()), "{environment}");
    let origin = fs::read_to_string(place.path("set/hotel_reservations_01/origin.yaml")).unwrap();
    let (own, all) = (origin.matches(": own\n").count(), origin.matches(": module:").count());
    assert!(own as f64 >= 0.6 * (own + all) as f64, "{own} of {} tools are the blueprint's own", own + all);
}

#[test]
fn findings_point_at_the_blueprint_and_come_all_at_once() {
    let place = Place::empty();
    fs::create_dir(place.path("mine")).unwrap();
    fs::write(place.path("mine/broken.yaml"), BROKEN).unwrap();
    let run = synth(&place, "out", &["--blueprints", "mine", "--count", "1", "--draft", "--json"]);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let report = run.json();
    let findings = report["findings"].as_array().unwrap();
    let codes: BTreeSet<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert!(codes.contains("blueprint_invalid") && codes.contains("blueprint_reference"), "{findings:#?}");
    let line_of = |text: &str| BROKEN.lines().position(|line| line.contains(text)).unwrap() + 1;
    for (what, line) in [("pet", line_of("pet_id")), ("age", line_of("age:")), ("persno", line_of("persno"))] {
        let found = findings.iter().any(|finding| {
            finding["message"].as_str().is_some_and(|message| message.contains(what)) && finding["line"] == line
        });
        assert!(found, "nothing is said about {what} in line {line}: {findings:#?}");
    }
    assert!(findings.iter().all(|finding| finding["file"].as_str().is_some_and(|file| file.ends_with("broken.yaml"))));

    fs::write(place.path("mine/broken.yaml"), "blueprint: broken\ntitel: Broken\n").unwrap();
    let run = synth(&place, "out2", &["--blueprints", "mine", "--count", "1"]);
    run.says(1, "broken.yaml:2");
    run.says(1, "titel");
    synth(&place, "out3", &["--only", "nosuch"]).says(2, "envfarm synth --list");
}

#[test]
fn a_module_says_which_tool_it_misses() {
    let place = Place::empty();
    fs::create_dir(place.path("mine")).unwrap();
    let text = BROKEN
        .replace("entities:\n", "use:\n  - {module: reviews, with: {subject: person, author: person}}\nentities:\n");
    fs::write(place.path("mine/broken.yaml"), &text).unwrap();
    let run = synth(&place, "out", &["--blueprints", "mine", "--count", "1", "--draft"]);
    let line = text.lines().position(|line| line.contains("module: reviews")).unwrap() + 1;
    run.says(1, &format!("broken.yaml:{line}: blueprint_reference: the module reviews needs a tool that lists person"));
}

#[test]
fn the_synthesized_environments_that_ship_are_what_synth_makes() {
    let envs = Path::new(env!("CARGO_MANIFEST_DIR")).join("envs");
    let folders = fs::read_dir(&envs).unwrap().map(|entry| entry.unwrap().path());
    let mut shipped: Vec<_> = folders.filter(|folder| folder.join("origin.yaml").is_file()).collect();
    shipped.sort();
    assert_eq!(shipped.len(), 10);
    let names: Vec<String> =
        shipped.iter().map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let place = Place::empty();
    let mut more = vec!["--count", "10"];
    for name in &names {
        more.extend(["--only", name.strip_suffix("_01").unwrap()]);
    }
    synth(&place, "set", &more).says(0, "10 environments");
    for (folder, name) in shipped.iter().zip(&names) {
        let same = files(folder) == files(&place.path(&format!("set/{name}")));
        assert!(same, "envs/{name} isn't what synth makes: make it again with `envfarm synth {}`", more.join(" "));
    }
}

/// The names of scenarios and blueprints in the table of `src/synth/blueprints/README.md`.
fn table() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/synth/blueprints/README.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().take_while(|line| !line.starts_with("## Shared modules"));
    let cells = rows.filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells.len() == 5 && cells[2] != "blueprint" && !cells[2].starts_with("---")).then(|| (cells[1], cells[2]))
    });
    cells.map(|(scenario, blueprint)| (scenario.to_owned(), blueprint.to_owned())).collect()
}

#[test]
fn there_is_a_blueprint_for_each_scenario() {
    let place = Place::empty();
    let listed = place.run(&["synth", "--list"]).stdout;
    let listed: BTreeSet<&str> = listed.lines().collect();
    let table = table();
    assert_eq!(table.len(), 100);
    let wanted: BTreeSet<&str> = table.iter().map(|(_, blueprint)| blueprint.as_str()).collect();
    assert_eq!(listed, wanted);
    for (scenario, blueprint) in &table {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/synth/blueprints/{blueprint}.yaml"));
        let text = fs::read_to_string(path).unwrap();
        let said: Value = text
            .lines()
            .find_map(|line| line.strip_prefix("scenario: "))
            .map_or(Value::Null, |scenario| Value::from(scenario.trim_matches(['"', '\''])));
        assert_eq!(said, Value::from(scenario.as_str()), "{blueprint}");
    }
}
