//! The tutorials, executed: their commands run in order, their YAML is appended to the files it names.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A fenced block of README that is marked as part of the tutorial.
struct Block<'r> {
    /// The file it is appended to; none for commands.
    file: Option<&'r str>,
    text: &'r str,
}

fn blocks(readme: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    for part in readme.split("\n```").skip(1) {
        let (head, text) = part.split_once('\n').unwrap_or((part, ""));
        match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["sh", "tutorial"] => blocks.push(Block { file: None, text }),
            ["yaml", "tutorial", file] => blocks.push(Block { file: Some(file), text }),
            _ => {}
        }
    }
    blocks
}

/// Follows the tutorial of a file of this repository, which has so many blocks, in a new folder.
fn follow(tutorial: &str, count: usize) -> TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(tutorial)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let blocks = blocks(&text);
    assert_eq!(blocks.len(), count, "the tutorial in {tutorial} has changed its shape");
    for block in blocks {
        match block.file {
            Some(file) => {
                let path = folder.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
                write!(file, "\n{}", block.text).unwrap();
            }
            None => block.text.lines().for_each(|line| run(line, folder.path())),
        }
    }
    folder
}

fn checked(command: &str, folder: &TempDir) -> serde_json::Value {
    serde_json::from_str(&output(command, folder.path())).unwrap()
}

#[test]
fn the_tutorial_on_blueprints_says_what_works() {
    let folder = follow("src/synth/TUTORIAL.md", 4);
    let report = checked("envfarm check shed --json", &folder);
    assert_eq!(report["totals"]["diagnostics"], 0);
    for environment in report["environments"].as_array().unwrap() {
        assert_eq!(environment["tools"], 4);
        assert!(environment["tasks"].as_u64().unwrap() >= 4, "{environment}");
    }
    // Every intent became part of some task, and so did the refusal.
    let mut tasks = String::new();
    for name in ["tool_shed_01", "tool_shed_02"] {
        tasks.push_str(&fs::read_to_string(folder.path().join("shed").join(name).join("origin.yaml")).unwrap());
    }
    for word in ["bring_back", "borrow", "what_is_due", "refusal"] {
        assert!(tasks.contains(word), "no task has {word}");
    }
}

#[test]
fn readme_says_what_works() {
    let folder = follow("README.md", 4);
    let report = checked("envfarm check my_envs --json", &folder);
    assert_eq!(report["totals"]["diagnostics"], 0);
    assert_eq!(report["environments"][0]["tools"], 8);
    assert_eq!(report["environments"][0]["tasks"], 3);
}

fn run(line: &str, folder: &Path) {
    drop(output(line, folder));
}

/// What a line prints; it must succeed.
fn output(line: &str, folder: &Path) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"envfarm"), "{line}");
    let command = Command::new(env!("CARGO_BIN_EXE_envfarm")).args(&words[1..]).current_dir(folder).output().unwrap();
    let shown = String::from_utf8_lossy(&command.stdout).into_owned();
    assert!(command.status.success(), "{line}\n{shown}\n{}", String::from_utf8_lossy(&command.stderr));
    shown
}
