//! The `envfarm` command; see [`envfarm::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    envfarm::cli::run()
}
