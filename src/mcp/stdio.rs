//! MCP over standard input and output: one episode per process, for desktop clients.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::stdio_pipes;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::Server;
use crate::config::BODY_BYTES_MAX;
use crate::engine::state::Observation;
use crate::episode::{CallError, Episode, IdempotencyKey, step};
use crate::farm::LiveEpisode;
use crate::trajectory::{self, Line};

/// Why serving over stdio failed.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The client didn't begin as MCP has it.
    #[error("the client didn't initialize: {0}")]
    Handshake(Box<ServerInitializeError>),
    /// The task that serves broke off.
    #[error("the server broke off: {0}")]
    BrokeOff(#[from] tokio::task::JoinError),
}

/// Serves `server` over stdin and stdout until the client closes stdin or `stop` is cancelled; answers under way are sent
/// first. Nothing else may write to stdout meanwhile.
///
/// # Errors
/// See [`StdioError`].
pub async fn serve_stdio(server: Server, stop: CancellationToken) -> Result<(), StdioError> {
    let (input, output) = stdio_pipes();
    let transport = AsyncRwTransport::new_server(input, output).with_max_line_length(BODY_BYTES_MAX);
    let running = match server.serve_with_ct(transport, stop).await {
        Ok(running) => running,
        // Closed or stopped before it began: there was nothing to serve.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
            return Ok(());
        }
        Err(err) => return Err(StdioError::Handshake(Box::new(err))),
    };
    running.waiting().await?;
    Ok(())
}

/// Writes an episode's calls to a file as they happen.
pub struct Recorder {
    recording: Mutex<Recording>,
}

struct Recording {
    writer: Box<dyn io::Write + Send>,
    failure: Option<io::Error>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    /// Begins a recording of `episode` with the header.
    ///
    /// # Errors
    /// The header couldn't be written.
    pub fn begin(writer: impl io::Write + Send + 'static, episode: &Episode) -> io::Result<Self> {
        let mut writer: Box<dyn io::Write + Send> = Box::new(writer);
        trajectory::write(&mut writer, &Line::Episode(episode.header()))?;
        let recording = Recording { writer, failure: None };
        Ok(Self { recording: Mutex::new(recording) })
    }

    /// Makes a call and appends it, unless it was one sent again. A failure to write must not keep the agent from its work:
    /// it is logged once and told by [`Recorder::finish`].
    pub(super) fn call(
        &self,
        live: &LiveEpisode,
        tool: &str,
        arguments: Map<String, Value>,
        key: Option<IdempotencyKey>,
    ) -> Result<Observation, CallError> {
        let mut recording = self.lock();
        let calls_before = live.lock().calls();
        let sent = arguments.clone();
        let outcome = live.call(tool, arguments, key);
        if let Ok(observation) = &outcome
            && live.lock().calls() > calls_before
        {
            recording.append(&Line::Call(step(tool, sent, observation)));
        }
        outcome
    }

    /// Appends how the episode ended, if it has, and says whether everything was written.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(&self, episode: &Episode) -> io::Result<()> {
        let mut recording = self.lock();
        if let Some(end) = episode.end() {
            recording.append(&Line::End(end));
        }
        recording.failure.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    fn append(&mut self, line: &Line) {
        if self.failure.is_some() {
            return;
        }
        if let Err(err) = trajectory::write(&mut self.writer, line) {
            tracing::error!(%err, "failed to write the trajectory; the calls from here on are not recorded");
            self.failure = Some(err);
        }
    }
}
