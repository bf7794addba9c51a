//! What an episode shows of itself: what changed, its digest, its database, its trajectory. Nothing here changes it.

use serde_json::{Map, Value};
use tracing::error;

use super::{CallError, ENGINE_VERSION, Episode, EpisodeState, step};
use crate::engine::snapshot::{self, TableDiff};
use crate::engine::verify::{JudgeError, Verdict};
use crate::id::TaskName;
use crate::trajectory::{End, FORMAT, Header, Trajectory, VERSION};

impl Episode {
    /// What changed since the start, by table.
    ///
    /// # Errors
    /// [`CallError::Faulted`] where the database can't be read.
    pub fn diff(&self) -> Result<Vec<TableDiff>, CallError> {
        let diff = snapshot::diff(&self.environment, &self.state, &self.conditions);
        diff.map_err(|err| self.unreadable(&err))
    }

    /// The first line of its trajectory.
    pub fn header(&self) -> Header {
        Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            environment: self.environment.name().to_string(),
            package_digest: self.environment.digest().to_owned(),
            engine_version: ENGINE_VERSION.to_owned(),
            task: self.task.as_ref().map(TaskName::to_string),
            seed: self.conditions.seed,
            actor: self.conditions.actor.clone(),
        }
    }

    /// The last line of its trajectory, once it has ended.
    pub fn end(&self) -> Option<End> {
        let (answer, verdict) = self.judged.as_deref().cloned().unzip();
        (self.lifecycle != EpisodeState::Live).then(|| End {
            state: self.lifecycle.as_str().to_owned(),
            answer: answer.flatten(),
            verdict,
        })
    }

    /// Its trajectory. The observations are found by making the calls again.
    ///
    /// # Errors
    /// [`CallError::Faulted`] where a call doesn't go as it did, which is a defect of ours.
    pub fn trajectory(&self) -> Result<Trajectory, CallError> {
        let mut again = self.fork();
        again.reset();
        again.limits.calls_max = usize::MAX;
        let mut steps = Vec::with_capacity(self.calls.len());
        for call in &self.calls {
            let tool = self.environment.tools().get_index(call.tool as usize).ok_or(CallError::Faulted)?.0;
            let arguments: Map<String, Value> =
                serde_json::from_str(&call.arguments).map_err(|_| CallError::Faulted)?;
            let observation = again.call(tool.as_ref(), arguments.clone())?;
            steps.push(step(tool.as_ref(), arguments, &observation));
        }
        Ok(Trajectory { header: self.header(), steps, end: self.end() })
    }

    /// Digest of the logical state: `sha256:` and hexadecimal digits. It covers the package and every row that differs from the
    /// initial database, and nothing else; so episodes with equal rows have equal digests, however they came by them.
    ///
    /// # Errors
    /// [`CallError::Faulted`] where the database can't be read.
    pub fn digest(&self) -> Result<String, CallError> {
        let digest = snapshot::digest(&self.environment, &self.state, &self.conditions);
        digest.map_err(|err| self.unreadable(&err))
    }

    /// The database as it is now, as an SQLite file.
    pub fn database(&self) -> Vec<u8> {
        self.state.overlay.materialize(self.environment.image())
    }

    /// The verdict, once it was judged.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.judged.as_deref().map(|(_, verdict)| verdict)
    }

    fn unreadable(&self, err: &JudgeError) -> CallError {
        error!(environment = %self.environment.name(), %err, "an episode's rows can't be read");
        CallError::Faulted
    }
}
