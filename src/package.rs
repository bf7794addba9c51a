//! A package: the directory that describes one environment, read but not executed.
//!
//! [`read`] reports everything it finds rather than the first error, and returns as much of the package as can be used.
#![doc = include_str!("package/FORMAT.md")]

pub(crate) mod checks;
pub mod diagnostic;
pub mod files;
pub mod outline;
pub mod split;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use self::diagnostic::{Code, Diagnostic};
use self::files::{At, EnvironmentFile, OriginFile, TaskFile, ToolFile};

/// Name of the file with the environment's description.
pub const ENVIRONMENT_FILE: &str = "environment.yaml";
/// Name of the file with tables, indexes and triggers.
pub const SCHEMA_FILE: &str = "schema.sql";
/// Name of the file with the initial rows.
pub const DATA_FILE: &str = "data.sql";
/// Name of the file with the tools.
pub const TOOLS_FILE: &str = "tools.yaml";
/// Name of the file with the tasks.
pub const TASKS_FILE: &str = "tasks.yaml";

/// Name of the file that says where a synthesized package comes from. A package needn't have it.
pub const ORIGIN_FILE: &str = "origin.yaml";

/// The files that every package has, and that its digest is over.
pub const FILES: &[&str] = &[ENVIRONMENT_FILE, SCHEMA_FILE, DATA_FILE, TOOLS_FILE, TASKS_FILE];

/// Largest accepted file of a package. The largest of 1,000 synthesized packages is under 0.2 MB, and a package is meant to
/// be read by a person; the limit keeps a stranger's package from filling the memory.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// The files of a package, parsed.
#[derive(Debug, Clone)]
pub struct Package {
    /// Where it was read from.
    pub directory: PathBuf,
    /// `environment.yaml`.
    pub environment: EnvironmentFile,
    /// `schema.sql`.
    pub schema: String,
    /// `data.sql`.
    pub data: String,
    /// `tools.yaml`.
    pub tools: Vec<At<ToolFile>>,
    /// `tasks.yaml`.
    pub tasks: Vec<At<TaskFile>>,
    /// `origin.yaml`, where there is one.
    pub origin: Option<OriginFile>,
    /// SHA-256 over the names and bytes of the five files that every package has, in hexadecimal.
    pub digest: String,
}

/// Reads the package in `directory`: the package unless a file is missing or malformed, and all findings of the rules that
/// need no execution.
pub fn read(directory: &Path) -> (Option<Package>, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let mut digest = Sha256::new();
    let mut text = |name: &str| -> Option<String> {
        match read_file(&directory.join(name)) {
            Ok(text) => {
                add_to_digest(&mut digest, name, &text);
                Some(text)
            }
            Err((code, message)) => {
                findings.push(Diagnostic::new(code, name, 0, message));
                None
            }
        }
    };
    let environment = text(ENVIRONMENT_FILE);
    let schema = text(SCHEMA_FILE);
    let data = text(DATA_FILE);
    let tools = text(TOOLS_FILE);
    let tasks = text(TASKS_FILE);
    let digest = hex(&digest.finalize());
    let origin = origin(directory, &mut findings);

    let environment = environment.and_then(|text| parse(&text, ENVIRONMENT_FILE, &mut findings));
    let tools = tools.and_then(|text| parse(&text, TOOLS_FILE, &mut findings));
    let tasks = tasks.and_then(|text| parse(&text, TASKS_FILE, &mut findings));
    let (Some(environment), Some(schema), Some(data), Some(tools), Some(tasks)) =
        (environment, schema, data, tools, tasks)
    else {
        return (None, findings);
    };
    let package = Package { directory: directory.to_owned(), environment, schema, data, tools, tasks, origin, digest };
    findings.extend(checks::all(&package));
    (Some(package), findings)
}

/// The texts of a package's files.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    /// `environment.yaml`.
    pub environment: String,
    /// `schema.sql`.
    pub schema: String,
    /// `data.sql`.
    pub data: String,
    /// `tools.yaml`.
    pub tools: String,
    /// `tasks.yaml`.
    pub tasks: String,
}

/// The same as [`read`] for a package that is no folder yet; `directory` is where it would be.
pub(crate) fn from_texts(directory: PathBuf, texts: Texts) -> (Option<Package>, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let mut digest = Sha256::new();
    let files = [&texts.environment, &texts.schema, &texts.data, &texts.tools, &texts.tasks];
    for (name, text) in FILES.iter().zip(files) {
        add_to_digest(&mut digest, name, text);
    }
    let environment = parse(&texts.environment, ENVIRONMENT_FILE, &mut findings);
    let tools = parse(&texts.tools, TOOLS_FILE, &mut findings);
    let tasks = parse(&texts.tasks, TASKS_FILE, &mut findings);
    let (Some(environment), Some(tools), Some(tasks)) = (environment, tools, tasks) else {
        return (None, findings);
    };
    let digest = hex(&digest.finalize());
    let (schema, data) = (texts.schema, texts.data);
    let package = Package { directory, environment, schema, data, tools, tasks, origin: None, digest };
    findings.extend(checks::all(&package));
    (Some(package), findings)
}

impl Package {
    /// Takes these tasks instead of the ones it has; gives what is wrong with them. The digest stays that of the files.
    pub(crate) fn take_tasks(&mut self, text: &str) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        self.tasks = parse(text, TASKS_FILE, &mut findings).unwrap_or_default();
        findings.extend(checks::all(self).into_iter().filter(|finding| finding.file == TASKS_FILE));
        findings
    }
}

/// Where the package says that it comes from, if it does.
fn origin(directory: &Path, findings: &mut Vec<Diagnostic>) -> Option<OriginFile> {
    let path = directory.join(ORIGIN_FILE);
    if !path.exists() {
        return None;
    }
    match read_file(&path) {
        Ok(text) => parse(&text, ORIGIN_FILE, findings),
        Err((code, message)) => {
            findings.push(Diagnostic::new(code, ORIGIN_FILE, 0, message));
            None
        }
    }
}

/// SHA-256 over the names and bytes of the package's files, in hexadecimal, without parsing them; none where one can't be read.
pub fn digest(directory: &Path) -> Option<String> {
    let mut digest = Sha256::new();
    for name in FILES {
        add_to_digest(&mut digest, name, &read_file(&directory.join(name)).ok()?);
    }
    Some(hex(&digest.finalize()))
}

fn add_to_digest(digest: &mut Sha256, name: &str, text: &str) {
    digest.update((name.len() as u64).to_le_bytes());
    digest.update(name);
    digest.update((text.len() as u64).to_le_bytes());
    digest.update(text);
}

/// The packages that `path` stands for: itself, or every folder in it that holds a file of a package, sorted by name. One
/// that lacks files counts too, so that it is reported and not passed over.
///
/// # Errors
/// The directory can't be read.
pub fn find(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let holds_package = |directory: &Path| FILES.iter().any(|file| directory.join(file).is_file());
    if holds_package(path) {
        return Ok(vec![path.to_owned()]);
    }
    let mut packages = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?.path();
        if holds_package(&entry) {
            packages.push(entry);
        }
    }
    packages.sort();
    Ok(packages)
}

/// Name of a package's folder, also where it is given as `.`; the name its environment should have.
pub fn folder_name(directory: &Path) -> String {
    let canonical = directory.canonicalize();
    let directory = canonical.as_deref().unwrap_or(directory);
    directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// In which order findings are told: that of the files.
pub(crate) fn file_order(file: &str) -> usize {
    FILES.iter().position(|known| *known == file).unwrap_or(FILES.len())
}

fn read_file(path: &Path) -> Result<String, (Code, String)> {
    let unreadable = |err: std::io::Error| (Code::FileUnreadable, format!("can't be read: {err}"));
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        let message = format!("has {bytes} bytes; at most {FILE_BYTES_MAX} are read");
        return Err((Code::FileTooLarge, message));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

fn parse<T: DeserializeOwned>(text: &str, file: &str, findings: &mut Vec<Diagnostic>) -> Option<T> {
    match serde_saphyr::from_str(text) {
        Ok(value) => Some(value),
        Err(err) => {
            let line = err.location().map_or(0, |location| location.line());
            let message = err.to_string();
            let message = message.lines().next().unwrap_or_default().to_owned();
            let line = usize::try_from(line).unwrap_or(0);
            findings.push(Diagnostic::new(Code::YamlInvalid, file, line, message));
            None
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
