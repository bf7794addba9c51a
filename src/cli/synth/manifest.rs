//! The folder that a set is written to: what was asked for, so that a broken-off run goes on, and folders that are whole or absent.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Options;
use crate::cli::Failure;
use crate::package::FILES;
use crate::synth::{Synthesized, Synthesizer};

/// Name of the file in the folder.
const MANIFEST_FILE: &str = "synth.json";

/// Name of the file in the folder of an environment that isn't as it should be; such a one is made again.
const FINDINGS_FILE: &str = "findings.json";

/// Ending of a folder that is being written.
const PARTIAL: &str = ".partial";

/// What a set was made from.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    count: usize,
    seed: u64,
    draft: bool,
    /// SHA-256 over synthesizer, blueprints and modules.
    blueprints: String,
}

impl Manifest {
    pub(super) fn new(options: &Options, synthesizer: &Synthesizer) -> Self {
        Self {
            count: options.count,
            seed: options.seed,
            draft: options.draft,
            blueprints: synthesizer.digest().to_owned(),
        }
    }

    /// Prepares the folder; the names of environments that are in it already.
    pub(super) fn open(&self, out: &Path) -> Result<Vec<String>, Failure> {
        let shown = out.display();
        let failed = |what: &str, err: std::io::Error| Failure::failed(format!("failed to {what} {shown}: {err}"));
        fs::create_dir_all(out).map_err(|err| failed("make", err))?;
        let path = out.join(MANIFEST_FILE);
        let entries = fs::read_dir(out).map_err(|err| failed("read", err))?;
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(|err| failed("read", err))?.file_name().to_string_lossy().into_owned());
        }
        if names.is_empty() {
            let text = serde_json::to_string_pretty(self).map_err(|err| Failure::internal(err.to_string()))?;
            fs::write(&path, format!("{text}\n")).map_err(|err| failed("write to", err))?;
            return Ok(names);
        }
        let before: Option<Self> = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
        if before.as_ref() != Some(self) {
            let why = if before.is_some() {
                "holds a set made with another count, seed or other blueprints"
            } else {
                "isn't empty"
            };
            return Err(Failure::usage(format!("{shown} {why}; name a new or empty folder")));
        }
        for partial in names.iter().filter(|name| name.ends_with(PARTIAL)) {
            fs::remove_dir_all(out.join(partial)).map_err(|err| failed("tidy up", err))?;
        }
        names.retain(|name| {
            let folder = out.join(name);
            FILES.iter().all(|file| folder.join(file).is_file()) && !folder.join(FINDINGS_FILE).exists()
        });
        Ok(names)
    }
}

/// Writes a package: all of it or nothing.
pub(super) fn write(out: &Path, made: &Synthesized) -> Result<(), Failure> {
    let partial = out.join(format!("{}{PARTIAL}", made.name));
    let place = out.join(&made.name);
    let whole = || -> std::io::Result<()> {
        fs::create_dir_all(&partial)?;
        if !made.findings.is_empty() {
            fs::write(partial.join(FINDINGS_FILE), serde_json::to_string_pretty(&made.findings)?)?;
        }
        for (name, text) in &made.files {
            fs::write(partial.join(name), text)?;
        }
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::rename(&partial, &place)
    };
    whole().map_err(|err| Failure::failed(format!("failed to write {} to {}: {err}", made.name, out.display())))
}
