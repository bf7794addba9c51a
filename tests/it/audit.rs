//! `envfarm audit`: the environments that ship hold, and every target is seen missed by a set that is broken on purpose.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::Place;
use crate::support;

/// The measured value of a target and whether it was met.
#[track_caller]
fn target(audit: &Value, name: &str) -> (Option<f64>, Option<bool>) {
    let targets = audit["targets"].as_array().unwrap();
    let found = targets.iter().find(|target| target["name"] == name);
    let found = found.unwrap_or_else(|| panic!("there is no target {name:?}"));
    (found["measured"].as_f64(), found["met"].as_bool())
}

/// Codes of the findings of an environment.
fn codes(audit: &Value, environment: &str) -> Vec<String> {
    let environments = audit["environments"].as_array().unwrap();
    let found = environments.iter().find(|one| one["name"] == environment).unwrap();
    found["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// The lending package under another name, changed in its files.
fn lending(place: &Place, name: &str, changes: &[(&str, &str, &str)]) {
    let folder = place.path("set").join(name);
    support::copy_folder(&support::fixtures().join("lending"), &folder);
    let rename = ("environment.yaml", "name: lending", &*format!("name: {name}"));
    for (file, from, to) in std::iter::once(&rename).chain(changes) {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

#[test]
fn the_environments_that_ship_withstand_every_attack() {
    let place = Place::empty();
    let envs = Path::new(env!("CARGO_MANIFEST_DIR")).join("envs");
    let envs = envs.to_str().unwrap();
    let run = place.run(&["audit", envs, "--only", "online_shop", "--seeds", "3", "--json", "--html", "page.html"]);
    let audit = run.json();
    assert_eq!(audit["totals"]["environments"], 1);
    for name in ["tools exercised", "refusals reached", "replays that give the same bytes"] {
        assert_eq!(target(&audit, name), (Some(1.0), Some(true)), "{name}");
    }
    assert_eq!(target(&audit, "mutants that earn nothing").1, Some(true));
    let mut tried = 0;
    for attack in audit["targets"].as_array().unwrap() {
        if attack["name"].as_str().unwrap().starts_with("rewards: ") {
            assert_eq!(attack["met"], true, "{attack}");
            tried += 1;
        }
    }
    assert_eq!(tried, 10);
    let passes = audit["attacks"].as_object().unwrap();
    assert!(passes.values().all(|tried| tried["attempts"].as_u64().unwrap() > 0), "{passes:#?}");

    let page = fs::read_to_string(place.path("page.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("online_shop"));
    for reference in ["http://", "https://", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(reference), "the page needs {reference}");
    }
}

#[test]
fn what_is_wrong_with_a_set_misses_its_target() {
    let place = Place::empty();
    lending(&place, "first", &[]);
    lending(&place, "second", &[]);
    lending(&place, "unreadable", &[("tools.yaml", "- name:", "- nam:")]);
    lending(&place, "wrong_facts", &[("tasks.yaml", "facts: {calls: 5", "facts: {calls: 4")]);
    let alike = "\n\n- name: borrow_again\n  difficulty: easy\n  instruction: Take out the field guide to mosses for two weeks, \
                 please, and tell me on which shelf it stands.\n  solution:\n    calls:\n      - {tool: search_books, arguments: \
                 {query: mosses}}\n      - {tool: borrow_book, arguments: {book_id: {from: 0, path: \"books.0.id\"}, weeks: 2}}\n    \
                 answer: Alcove 27\n  verify:\n    answer: [{text: Alcove 27}]\n\n- name: when_is_it_due";
    lending(&place, "alike", &[("tasks.yaml", "\n\n- name: when_is_it_due", alike)]);
    lending(&place, "strange_origin", &[]);
    let origin = "blueprint: lending\nvariant: 1\nseed: 7\nsynthesizer: 1\ntools: {borrow_book: own, fly: own}\n";
    fs::write(place.path("set/strange_origin/origin.yaml"), origin).unwrap();

    let run = place.run(&["audit", "set", "--seeds", "2", "--json"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let audit = run.json();
    let missed = |name: &str| assert_eq!(target(&audit, name).1, Some(false), "{name}: {:?}", target(&audit, name));
    missed("environments that load");
    missed("tools of an environment, fewest");
    missed("tables of an environment, fewest");
    missed("rows of an environment, fewest");
    missed("tasks of an environment, most");
    missed("calls of a solution, mean");
    missed("distinct tools of a solution, mean");
    missed("calls of a solution, top tenth from");
    missed("findings");
    missed("tool names shared with another family, most");
    missed("statements shared with another family, most");
    missed("instructions alike in an environment, most");
    for (environment, code) in [
        ("first", "near_duplicate"),
        ("first", "size_out_of_range"),
        ("wrong_facts", "facts_differ"),
        ("alike", "instructions_alike"),
        ("strange_origin", "origin_mismatch"),
    ] {
        let codes = codes(&audit, environment);
        assert!(codes.iter().any(|found| found == code), "{environment} has no {code}: {codes:?}");
    }
    // Two of nine tools, where the package says where they come from.
    missed("tools of the blueprint's own");
    let text = place.run(&["audit", "set", "--seeds", "0", "--only", "first"]);
    text.says(1, "MISSED");
    text.says(1, "size_out_of_range");
    place.run(&["audit", "set", "--only", "frist"]).says(2, "did you mean first?");
    place.run(&["audit", "nowhere"]).says(2, "nowhere");
}
