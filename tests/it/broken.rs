//! The lending package with something broken in it, and what check then says.

use std::fs;
use std::path::{Path, PathBuf};

use envfarm::engine::environment::Environment;
use envfarm::package::diagnostic::Diagnostic;
use envfarm::proof;

use crate::support::fixtures;

/// A change to a file of a package.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Edit {
    /// Replaces the first occurrence of a text, which must be there.
    Replace(&'static str, &'static str, &'static str),
    /// Adds a text at the end of a file.
    Append(&'static str, &'static str),
    /// Removes a file.
    Remove(&'static str),
}

/// A copy of the lending package in a folder that goes away with it.
pub(crate) struct Package {
    folder: tempfile::TempDir,
}

impl Package {
    pub(crate) fn new(edits: &[Edit]) -> Self {
        let package = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(package.path()).unwrap();
        for entry in fs::read_dir(fixtures().join("lending")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), package.path().join(entry.file_name())).unwrap();
        }
        for edit in edits {
            package.edit(edit);
        }
        package
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("lending")
    }

    fn edit(&self, edit: &Edit) {
        match edit {
            Edit::Replace(file, from, to) => {
                let text = self.read(file);
                assert!(text.contains(from), "{file} has no {from:?}");
                fs::write(self.path().join(file), text.replacen(from, to, 1)).unwrap();
            }
            Edit::Append(file, more) => {
                fs::write(self.path().join(file), format!("{}\n{more}", self.read(file))).unwrap();
            }
            Edit::Remove(file) => fs::remove_file(self.path().join(file)).unwrap(),
        }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).unwrap()
    }

    /// Everything that loading and proving the package finds.
    pub(crate) fn findings(&self) -> Vec<Diagnostic> {
        findings(&self.path())
    }
}

pub(crate) fn findings(path: &Path) -> Vec<Diagnostic> {
    let loaded = Environment::load(path);
    let mut findings = loaded.diagnostics;
    if let Some(environment) = &loaded.environment {
        findings.extend(proof::prove(environment, &|_| ()));
    }
    findings
}
