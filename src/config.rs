//! Settings: flags over environment variables over the defaults below. Parsed once by the command line and passed on; never
//! global.

use std::path::PathBuf;

use clap::Args;

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

/// How long open requests may take to finish after Ctrl-C or SIGTERM. Longer than the deadline of a call.
pub const DRAIN_MS_MAX: u64 = 15_000;

/// How often expired episodes are looked for. Expiry is counted in minutes, so half a minute late is on time.
pub const SWEEP_INTERVAL_MS: u64 = 30_000;

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
    /// Calls per episode; past it the episode is truncated
    #[arg(long, value_name = "N", default_value_t = 1_000, env = "ENVFARM_CALLS_MAX")]
    pub calls_max: usize,
    /// Milliseconds a call may take; past it the episode is truncated
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..), env = "ENVFARM_CALL_DEADLINE_MS")]
    pub call_deadline_ms: u64,
    /// Largest request body in bytes
    #[arg(long, value_name = "BYTES", default_value_t = BODY_BYTES_MAX, env = "ENVFARM_BODY_BYTES_MAX")]
    pub body_bytes_max: usize,
    /// Scratch episodes of stateless clients on /envs/.. at a time
    #[arg(long, value_name = "N", default_value_t = SCRATCH_EPISODES_MAX, env = "ENVFARM_SCRATCH_EPISODES_MAX")]
    pub scratch_episodes_max: usize,
}

/// Whether and how episodes survive the process.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Journal")]
pub struct JournalOptions {
    /// Directory of the journal, from which episodes are rebuilt after a crash; without it they live in memory
    #[arg(long, value_name = "DIR", env = "ENVFARM_JOURNAL")]
    pub journal: Option<PathBuf>,
    /// When an acknowledged change can be relied on
    #[arg(long, value_name = "WHEN", default_value = "batch", requires = "journal", env = "ENVFARM_DURABILITY")]
    pub durability: Durability,
    /// Size in bytes from which the journal is rewritten without what has ended, whenever it has doubled
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20, requires = "journal", env = "ENVFARM_JOURNAL_COMPACT_BYTES")]
    pub journal_compact_bytes: u64,
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
    /// Scratch episodes of stateless clients at a time.
    pub scratch_episodes_max: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            any_address_allowed: false,
            base_url: None,
            body_bytes_max: BODY_BYTES_MAX,
            scratch_episodes_max: SCRATCH_EPISODES_MAX,
        }
    }
}
