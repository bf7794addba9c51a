//! Blueprints and modules as texts: the ones in the binary, and those of a folder.
#![doc = include_str!("BLUEPRINTS.md")]

mod embedded;
pub mod files;

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use self::files::BlueprintFile;
use crate::package::FILE_BYTES_MAX;
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::At;

/// The text of one blueprint or module.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its name: that of the file.
    pub name: String,
    /// The file, as findings name it.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Blueprints and the modules they use.
#[derive(Debug, Default)]
pub(crate) struct Library {
    blueprints: Vec<Source>,
    modules: BTreeMap<String, Source>,
}

impl Source {
    /// Reads it as a blueprint or module.
    pub(crate) fn parse(&self, findings: &mut Vec<Diagnostic>) -> Option<BlueprintFile> {
        // YAML reads the bare key `null` as no key at all; authors of columns mean the word.
        let text = self.text.replace("{null: ", "{\"null\": ").replace(" null: ", " \"null\": ");
        match serde_saphyr::from_str(&text) {
            Ok(file) => Some(file),
            Err(err) => {
                let line = err.location().map_or(0, |location| location.line());
                let message = err.to_string();
                let message = message.lines().next().unwrap_or_default().to_owned();
                let line = usize::try_from(line).unwrap_or(0);
                findings.push(Diagnostic::new(Code::BlueprintYaml, &self.file, line, message));
                None
            }
        }
    }

    /// The parameters of a module whose text is no YAML before they are replaced.
    pub(crate) fn params(&self) -> Option<Vec<At<String>>> {
        let line = self.text.lines().position(|line| line.starts_with("params:"))?;
        let list = self.text.lines().nth(line)?.strip_prefix("params:")?;
        let names: Vec<String> = serde_saphyr::from_str(list).ok()?;
        Some(names.into_iter().map(|value| At { value, line: line + 1 }).collect())
    }
}

impl Library {
    /// The blueprints and modules in the binary.
    pub(crate) fn embedded() -> Self {
        let source = |folder: &str, name: &str, text: &str| Source {
            name: name.to_owned(),
            file: format!("{folder}/{name}.yaml"),
            text: text.to_owned(),
        };
        let blueprints = embedded::BLUEPRINTS.iter().map(|(name, text)| source("blueprints", name, text)).collect();
        let modules = embedded::MODULES.iter();
        let modules = modules.map(|(name, text)| ((*name).to_owned(), source("modules", name, text))).collect();
        Self { blueprints, modules }
    }

    /// The blueprints of a folder; its subfolder `modules` adds to the modules in the binary or replaces them.
    pub(crate) fn of_folder(folder: &Path) -> std::io::Result<Self> {
        let blueprints = yaml_files(folder)?;
        let mut modules = Self::embedded().modules;
        let own = folder.join("modules");
        if own.is_dir() {
            modules.extend(yaml_files(&own)?.into_iter().map(|module| (module.name.clone(), module)));
        }
        Ok(Self { blueprints, modules })
    }

    /// The blueprints, sorted by name.
    pub(crate) fn blueprints(&self) -> &[Source] {
        &self.blueprints
    }

    /// The module of this name.
    pub(crate) fn module(&self, name: &str) -> Option<&Source> {
        self.modules.get(name)
    }

    /// SHA-256 over the synthesizer's version, the texts and which of them are used, in hexadecimal.
    pub(crate) fn digest(&self, version: u32, only: &[String]) -> String {
        let mut digest = Sha256::new();
        digest.update(format!("{version} {only:?}"));
        for source in self.blueprints.iter().chain(self.modules.values()) {
            digest.update((source.text.len() as u64).to_le_bytes());
            digest.update(&source.name);
            digest.update(&source.text);
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Names of the modules.
    pub(crate) fn module_names(&self) -> Vec<&str> {
        self.modules.keys().map(String::as_str).collect()
    }
}

fn yaml_files(folder: &Path) -> std::io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        if std::fs::metadata(&path)?.len() > FILE_BYTES_MAX {
            let message = format!("{} has over {FILE_BYTES_MAX} bytes", path.display());
            return Err(std::io::Error::other(message));
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        sources.push(Source { name, file: path.display().to_string(), text: std::fs::read_to_string(&path)? });
    }
    sources.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(sources)
}
