//! The structure that src/ARCHITECTURE.md promises: layers, which module names which library, sizes of files.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the top to the bottom; a module uses only what stands in a later row, or itself.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["http", "synth"],
    &["mcp", "proof"],
    &["farm"],
    &["episode"],
    &["trajectory"],
    &["engine"],
    &["package"],
    &["database"],
    &["config", "metrics", "telemetry"],
    &["journal"],
    &["clock", "id"],
];

/// Longest file: a room one can know.
const LINES_MAX: usize = 600;

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    sources.sort();
    assert!(sources.len() > 40, "the sources were not found");
    sources
}

/// The top-level module a file belongs to.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The crate's modules that a text names.
fn used(text: &str) -> Vec<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let after = code.flat_map(|line| line.split("crate::").skip(1));
    after
        .map(|rest| {
            &rest[..rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn a_module_uses_only_what_stands_below_it() {
    for (path, text) in sources() {
        let here = module(&path);
        if here == "lib" {
            continue;
        }
        let own = layer(&here).unwrap_or_else(|| panic!("{here} stands in no layer"));
        for used in used(&text) {
            let Some(theirs) = layer(used) else { continue };
            assert!(used == here || theirs > own, "{} uses {used}, which stands above or beside it", path.display());
        }
    }
}

#[test]
fn libraries_are_named_where_they_belong() {
    let homes = [
        ("axum", "http"),
        ("rmcp", "mcp"),
        ("tracing_subscriber", "telemetry"),
        ("prometheus_client", "metrics"),
        ("ratatui", "cli"),
        ("ureq", "cli"),
        ("clap", "cli"),
        ("rustyline", "cli"),
    ];
    for (path, text) in sources() {
        for (library, home) in homes {
            let named =
                text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(&format!("{library}::")));
            let allowed = module(&path) == home || (library == "clap" && module(&path) == "config");
            assert!(!named || allowed, "{} names {library}", path.display());
        }
        let is_unsafe = text.lines().any(|line| {
            !line.trim_start().starts_with("//") && (line.contains("unsafe {") || line.contains("unsafe fn"))
        });
        assert!(!is_unsafe || path == Path::new("database/overlay.rs"), "{} is unsafe", path.display());
    }
}

#[test]
fn files_are_rooms_one_can_know() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
        assert!(path.file_name().unwrap() != "mod.rs", "{}: foo.rs and foo/, not mod.rs", path.display());
        assert!(
            text.starts_with("//!") || text.starts_with("#!["),
            "{} doesn't begin by saying what it is",
            path.display()
        );
    }
}
