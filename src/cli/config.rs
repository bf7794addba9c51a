//! `envfarm config`: the configuration file of `serve`, with every setting and its default.

use clap::Args;

use super::{Failure, print, settings};

const EXAMPLES: &str = "Examples:
  envfarm config > envfarm.toml           begin with a file of all defaults, commented out
  envfarm serve --print-config            what is in force, and where each value comes from";

/// Print the commented default configuration file of `serve`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {}

pub(super) fn run(_: &Options) -> Result<(), Failure> {
    print(&settings::commented(&settings::serve()))
}
