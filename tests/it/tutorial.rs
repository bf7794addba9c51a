//! README's tutorial, executed: its commands run in order, its YAML is appended to the files it names.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

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

#[test]
fn readme_says_what_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let blocks = blocks(&readme);
    assert_eq!(blocks.len(), 4, "the tutorial has changed its shape");
    for block in blocks {
        match block.file {
            Some(file) => {
                let mut file = OpenOptions::new().append(true).open(folder.path().join(file)).unwrap();
                write!(file, "\n{}", block.text).unwrap();
            }
            None => block.text.lines().for_each(|line| run(line, folder.path())),
        }
    }
    let report = output("envfarm check my_envs --json", folder.path());
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
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
