//! Trajectories: the ordered calls and observations of one episode with its verdict, as versioned JSON Lines.
//!
//! The first line says what was played, then comes one line for each call, and a last one once the episode ended. A line is
//! written when its call is answered, so a file that breaks off is the trajectory up to there. Together with the package the
//! calls alone determine everything else: replaying them gives the same observations, byte for byte. A file may hold many
//! trajectories, one after another; each first line begins one.

mod reader;

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::reader::{Found, Trajectories};
use crate::engine::verify::Verdict;

/// Value of [`Header::format`].
pub const FORMAT: &str = "envfarm-trajectory";

/// Version of the format that this program writes and reads.
pub const VERSION: u32 = 1;

/// Longest line that is read. A result has at most half a MiB, and its JSON text little more.
pub const LINE_BYTES_MAX: usize = 4 << 20;

/// Longest trajectory that is read. A thousand calls (an episode's limit unless set otherwise) with results of a page each
/// have some 10 MiB.
pub const TRAJECTORY_BYTES_MAX: usize = 64 << 20;

/// One line of a trajectory file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// The first line.
    Episode(Header),
    /// One call and what came back.
    Call(Step),
    /// How the episode ended.
    End(End),
}

/// What was played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// `envfarm-trajectory`.
    pub format: String,
    /// 1.
    pub version: u32,
    /// The environment.
    pub environment: String,
    /// SHA-256 of its package's files, in hexadecimal.
    pub package_digest: String,
    /// Version of the engine that wrote it.
    pub engine_version: String,
    /// The task; none in free play.
    pub task: Option<String>,
    /// The seed.
    pub seed: u64,
    /// Who was signed in.
    pub actor: Value,
}

/// One call and what came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The tool.
    pub tool: String,
    /// The arguments as sent.
    pub arguments: Map<String, Value>,
    /// The result, or `{"error": {..}}`.
    pub observation: Value,
    /// True for refusals and invalid arguments.
    pub is_error: bool,
}

/// How an episode ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// `terminated`, `truncated` or `faulted`.
    pub state: String,
    /// The agent's answer.
    pub answer: Option<String>,
    /// The verdict, where one was given.
    pub verdict: Option<Verdict>,
}

/// A whole trajectory.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Trajectory {
    /// What was played.
    pub header: Header,
    /// The calls.
    pub steps: Vec<Step>,
    /// How it ended; none where it broke off.
    pub end: Option<End>,
}

/// Why a file is no trajectory.
#[derive(Debug, thiserror::Error)]
pub enum TrajectoryError {
    /// It can't be read.
    #[error("can't be read: {0}")]
    Io(#[from] io::Error),
    /// A line isn't what it should be.
    #[error("line {line}: {message}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

/// Writes a line and flushes it.
///
/// # Errors
/// The writer's.
pub fn write(writer: &mut impl Write, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    writer.write_all(text.as_bytes())?;
    writer.flush()
}

impl Trajectory {
    /// The lines of a whole trajectory.
    pub fn lines(self) -> impl Iterator<Item = Line> {
        let calls = self.steps.into_iter().map(Line::Call);
        std::iter::once(Line::Episode(self.header)).chain(calls).chain(self.end.map(Line::End))
    }
}
