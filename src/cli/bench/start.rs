//! Loading environments, and the way to the first answered call.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::report::{Budget, Group, Row};
use super::times::Times;
use super::{Environments, broken, limits};
use crate::cli::Failure;
use crate::engine::environment::Environment;
use crate::farm::{EpisodeSpec, Farm};

/// Packages on disk in the row about starting (DESIGN: performance budget).
const PACKAGES: usize = 1_000;

/// Loads every environment, `rounds` times.
pub(super) fn load(directories: &[PathBuf], rounds: usize) -> Result<(Environments, Vec<Row>), Failure> {
    let mut environments = Environments::new();
    let mut rows = Vec::new();
    for directory in directories {
        let mut times = Times::default();
        for round in 0..rounds {
            let loaded = times.time(|| Environment::load(directory)).environment;
            let environment = loaded.ok_or_else(|| {
                let shown = directory.display();
                Failure::failed(format!("the package in {shown} has errors; `envfarm check {shown}` lists them"))
            })?;
            if round == 0 {
                environments.push(environment);
            }
        }
        let name = environments.last().map(|environment| environment.name().to_string()).unwrap_or_default();
        rows.push(Row::new(Group::Start, format!("load {name}")).times(times.p50_us(), times.p99_us()));
    }
    Ok((environments, rows))
}

/// From nothing to the first answered call, with a thousand packages on disk of which that call needs one.
pub(super) fn first_answer(directories: &[PathBuf], environments: &Environments) -> Result<Vec<Row>, Failure> {
    let (Some(directory), Some(environment)) = (directories.first(), environments.first()) else {
        return Ok(Vec::new());
    };
    let folder = TemporaryFolder::new().map_err(|err| broken("a temporary folder can't be made", err))?;
    lay_out(&folder.0, directory, environment.name().as_ref())
        .map_err(|err| broken("packages can't be copied", err))?;
    let tool = environment.tools().keys().next().map(ToString::to_string).unwrap_or_default();
    let mut times = Times::default();
    for _ in 0..3 {
        let started = Instant::now();
        let farm = Farm::open(&folder.0, limits()).map_err(|err| broken("the farm can't be opened", err))?;
        let id = farm.create(EpisodeSpec {
            environment: environment.name().clone(),
            task: None,
            seed: 0,
            actor: None,
            owner: None,
        });
        let live = id.and_then(|id| farm.episode(&id)).map_err(|err| broken("an episode can't be created", err))?;
        // Refused for lack of arguments or not: it is an answer.
        drop(live.lock().call(&tool, serde_json::Map::new()));
        times.record(started.elapsed());
    }
    let row = Row::new(Group::Start, format!("first answer, {PACKAGES} packages on disk"));
    Ok(vec![row.times(times.p50_us(), times.p99_us()).budget(Budget::P50UsBelow(1e6))])
}

/// One package under its own name, and the same under other names, which nothing will load.
fn lay_out(folder: &Path, package: &Path, name: &str) -> std::io::Result<()> {
    let files: Vec<PathBuf> =
        fs::read_dir(package)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    for number in 0..PACKAGES {
        let copy = folder.join(if number == 0 { name.to_owned() } else { format!("package_{number}") });
        fs::create_dir(&copy)?;
        for file in files.iter().filter(|file| file.is_file()) {
            let to = copy.join(file.file_name().unwrap_or_default());
            if number == 0 {
                fs::copy(file, to)?;
            } else {
                fs::write(to, [])?;
            }
        }
    }
    Ok(())
}

/// A folder that goes away again.
#[derive(Debug)]
pub(super) struct TemporaryFolder(pub(super) PathBuf);

impl TemporaryFolder {
    pub(super) fn new() -> std::io::Result<Self> {
        let id = crate::id::EpisodeId::random().map_err(std::io::Error::other)?;
        let path = std::env::temp_dir().join(format!("envfarm-bench-{id}"));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Whatever can't be removed is in the system's folder for such things.
        drop(fs::remove_dir_all(&self.0));
    }
}
