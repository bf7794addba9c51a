//! `envfarm token`: a new access token and its digest.

use clap::Args;

use super::{Failure, print};
use crate::config::access::{TokenDigest, random_token};

const EXAMPLES: &str = "Examples:
  (umask 077; envfarm token --bare > admin.token)         a token for serve --admin-token-file
  envfarm token                                           a token for a trainer; its digest goes to [[tokens]]";

/// Make an access token, 256 random bits, and print it with its SHA-256
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Print the token alone, for a file
    #[arg(long)]
    bare: bool,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let token = random_token()
        .map_err(|err| Failure::internal(format!("the operating system gave no random numbers: {err}")))?;
    if options.bare {
        return print(&format!("{token}\n"));
    }
    print(&format!("token = \"{token}\"\ntoken_sha256 = \"{}\"\n", TokenDigest::of(&token)))
}
