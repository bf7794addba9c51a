//! Settings: flags over environment variables over a file (`cli::settings` reads it) over the defaults below. Parsed once by
//! the command line and passed on; never global.

pub mod access;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use self::access::Access;
use crate::journal::{Durability, JournalSettings};

/// Largest request body, and longest message over stdio. The largest calls agents make carry a page of text; 1 MiB leaves
/// room for a batch of thousands of episodes and keeps a thousand simultaneous uploads within a gigabyte.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How long a body may take to arrive. Over a local network a mebibyte takes milliseconds; a stalled sender is cut off.
pub const BODY_READ_MS_MAX: u64 = 30_000;

/// Scratch episodes of stateless clients kept at a time. They are a convenience for trying things out; past this many the
/// least recently used one ends.
pub const SCRATCH_EPISODES_MAX: usize = 1_024;

/// Episodes made by one `POST /episodes`. Trainers ask for up to some thousand at a time (a step's groups); more
/// are more requests. As many specs of ordinary length fit into a body of a mebibyte.
pub const EPISODES_PER_REQUEST_MAX: usize = 4_096;

/// Requests at a time whose work may take long or much memory (creating, listing, trajectories, databases of up to some 16 MiB);
/// others wait. More than there are cores wouldn't be faster.
pub const ASIDE_MAX: usize = 16;

/// How long a request's header may take from its first byte. It fits one packet; who sends it by the letter is cut off.
pub const HEADER_READ_MS_MAX: u64 = 10_000;

/// How long a connection may lie idle. An agent thinks for minutes between two calls, and a connection that is closed just as
/// it calls looks like a failed call to it.
pub const CONNECTION_IDLE_MS_MAX: u64 = 600_000;

/// Connections at a time. Each takes a file descriptor and some 20 KiB; more wait to be accepted.
pub const CONNECTIONS_MAX: u32 = 4_096;

/// How long open requests may take to finish after Ctrl-C or SIGTERM. Longer than the deadline of a call.
pub const DRAIN_MS_MAX: u64 = 15_000;

/// Longest time that can be set, a day: longer is a slip of the keyboard.
const MS_MAX: u64 = 86_400_000;

/// Work a call may do, in SQLite virtual-machine steps: some 100 ms. The heaviest tool of the shipped environments takes
/// 20,000; a runaway query ends here, the same way on every machine.
pub const CALL_STEPS_MAX: u64 = 5_000_000;

/// Seconds a caller is asked to wait (`Retry-After`) when the farm is full: episodes end by themselves at that scale.
pub const RETRY_AFTER_S: u64 = 5;

/// The port `serve` listens on unless told otherwise.
pub const PORT: u16 = 8700;

/// Where packages are looked for.
#[derive(Debug, Clone, Args)]
pub struct PackageOptions {
    /// Folder of environment packages
    #[arg(long, value_name = "DIR", default_value = "envs", env = "ENVFARM_ENVS")]
    pub envs: PathBuf,
}

/// Bounds on live episodes and on their calls.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Live episodes at a time; past it creating one answers 503
    #[arg(long, value_name = "N", default_value_t = 10_000, env = "ENVFARM_LIVE_EPISODES_MAX")]
    pub live_episodes_max: usize,
    /// Environments in memory at a time; past it the one unused for longest is unloaded
    #[arg(long, value_name = "N", default_value_t = 256, env = "ENVFARM_ENVIRONMENTS_MAX")]
    pub environments_max: usize,
    /// Seconds without a call after which an episode expires
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..), env = "ENVFARM_IDLE_TTL_S")]
    pub idle_ttl_s: u64,
    /// Seconds that an ended episode can still be looked at
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..), env = "ENVFARM_ENDED_TTL_S")]
    pub ended_ttl_s: u64,
    /// Milliseconds between two looks for expired episodes and for a journal worth rewriting
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..), env = "ENVFARM_SWEEP_INTERVAL_MS")]
    pub sweep_interval_ms: u64,
    /// Calls per episode; past it the episode is truncated
    #[arg(long, value_name = "N", default_value_t = 1_000, env = "ENVFARM_CALLS_MAX")]
    pub calls_max: usize,
    /// Milliseconds a call may take; past it the episode is truncated
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..), env = "ENVFARM_CALL_DEADLINE_MS")]
    pub call_deadline_ms: u64,
    /// Work a call may do, in steps of SQLite's virtual machine; past it the call is refused. With another budget the same
    /// calls may end in another way, so that recordings are replayed with the default
    #[arg(long, value_name = "N", default_value_t = CALL_STEPS_MAX, value_parser = clap::value_parser!(u64).range(1_000..), env = "ENVFARM_CALL_STEPS_MAX")]
    pub call_steps_max: u64,
    /// Largest request body in bytes
    #[arg(long, value_name = "BYTES", default_value_t = BODY_BYTES_MAX, env = "ENVFARM_BODY_BYTES_MAX")]
    pub body_bytes_max: usize,
    /// Scratch episodes of stateless clients on /envs/.. at a time
    #[arg(long, value_name = "N", default_value_t = SCRATCH_EPISODES_MAX, env = "ENVFARM_SCRATCH_EPISODES_MAX")]
    pub scratch_episodes_max: usize,
}

/// Bounds on connections and on how long they may take.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionOptions {
    /// Connections at a time; more wait to be accepted
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS_MAX, value_parser = clap::value_parser!(u32).range(1..=1_000_000), env = "ENVFARM_CONNECTIONS_MAX")]
    pub connections_max: u32,
    /// Milliseconds a request's header may take from its first byte; past it the connection is closed
    #[arg(long, value_name = "MS", default_value_t = HEADER_READ_MS_MAX, value_parser = clap::value_parser!(u64).range(1..=MS_MAX), env = "ENVFARM_HEADER_READ_MS_MAX")]
    pub header_read_ms_max: u64,
    /// Milliseconds a request's body may take; past it the answer is 408
    #[arg(long, value_name = "MS", default_value_t = BODY_READ_MS_MAX, value_parser = clap::value_parser!(u64).range(1..=MS_MAX), env = "ENVFARM_BODY_READ_MS_MAX")]
    pub body_read_ms_max: u64,
    /// Milliseconds a connection may wait for its next request; past it it is closed
    #[arg(long, value_name = "MS", default_value_t = CONNECTION_IDLE_MS_MAX, value_parser = clap::value_parser!(u64).range(1..=MS_MAX), env = "ENVFARM_CONNECTION_IDLE_MS_MAX")]
    pub connection_idle_ms_max: u64,
    /// Milliseconds that requests in flight get to finish in after SIGTERM or Ctrl-C; a second signal stops at once
    #[arg(long, value_name = "MS", default_value_t = DRAIN_MS_MAX, value_parser = clap::value_parser!(u64).range(0..=MS_MAX), env = "ENVFARM_DRAIN_MS_MAX")]
    pub drain_ms_max: u64,
}

impl ConnectionOptions {
    /// The limits that are asked for.
    pub fn limits(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections_max: self.connections_max,
            header_read: Duration::from_millis(self.header_read_ms_max),
            idle: Duration::from_millis(self.connection_idle_ms_max),
            drain: Duration::from_millis(self.drain_ms_max),
        }
    }
}

/// Limits of the connections of a server.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections at a time; more wait in the queue of the listening socket.
    pub connections_max: u32,
    /// How long a request's header may take from its first byte.
    pub header_read: Duration,
    /// How long a connection may wait for its next request, and a client take to read an answer.
    pub idle: Duration,
    /// How long requests in flight may take to finish once the server is asked to stop.
    pub drain: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            header_read: Duration::from_millis(HEADER_READ_MS_MAX),
            idle: Duration::from_millis(CONNECTION_IDLE_MS_MAX),
            drain: Duration::from_millis(DRAIN_MS_MAX),
        }
    }
}

/// Whether and how episodes survive the process.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Journal")]
pub struct JournalOptions {
    /// Directory of the journal, from which episodes are rebuilt after a crash; without it they live in memory
    #[arg(long, value_name = "DIR", env = "ENVFARM_JOURNAL")]
    pub journal: Option<PathBuf>,
    /// When an acknowledged change can be relied on
    #[arg(long, value_name = "WHEN", default_value = "batch", env = "ENVFARM_DURABILITY")]
    pub durability: Durability,
    /// Size in bytes from which the journal is rewritten without what has ended, whenever it has doubled
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20, env = "ENVFARM_JOURNAL_COMPACT_BYTES")]
    pub journal_compact_bytes: u64,
}

impl ValueEnum for Durability {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::None, Self::Batch, Self::Sync]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::None => ("none", "Written in the background: a crash of envfarm may lose the last moments"),
            Self::Batch => (
                "batch",
                "Written before it is acknowledged and made durable a few milliseconds later: survives any crash of envfarm",
            ),
            Self::Sync => ("sync", "Made durable (fsync) before it is acknowledged: survives a crash of the machine"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl JournalOptions {
    /// The journal that is asked for, if one is.
    pub fn settings(&self) -> Option<JournalSettings> {
        let directory = self.journal.clone()?;
        Some(JournalSettings { directory, durability: self.durability, compact_bytes: self.journal_compact_bytes })
    }
}

/// What the HTTP front needs to know.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Host names (`name` or `name:port`) a request may be addressed to, besides the loopback ones.
    pub allowed_hosts: Vec<String>,
    /// Origins (`scheme://host` or `scheme://host:port`) a browser may call from, besides the loopback ones.
    pub allowed_origins: Vec<String>,
    /// True to accept any IP address as host, for a server that other machines reach. DNS rebinding, which the check of the
    /// host guards against, needs a name.
    pub any_address_allowed: bool,
    /// What `mcp_url`s begin with; the request's own host where absent.
    pub base_url: Option<String>,
    /// Largest request body in bytes.
    pub body_bytes_max: usize,
    /// How long a request's body may take.
    pub body_read: Duration,
    /// Scratch episodes of stateless clients at a time.
    pub scratch_episodes_max: usize,
    /// Whether well-formed `tools/call` requests take the short way. No option turns it off; tests compare it with rmcp's.
    pub hot_path: bool,
    /// Limits of connections, for whoever asks what they are.
    pub connections: ConnectionLimits,
    /// Who may do what.
    pub access: Access,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            any_address_allowed: false,
            base_url: None,
            body_bytes_max: BODY_BYTES_MAX,
            body_read: Duration::from_millis(BODY_READ_MS_MAX),
            scratch_episodes_max: SCRATCH_EPISODES_MAX,
            hot_path: true,
            connections: ConnectionLimits::default(),
            access: Access::default(),
        }
    }
}
