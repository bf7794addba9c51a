//! The integration tests: one binary, one module per layer.
#![expect(clippy::unwrap_used, reason = "a failing test says where it failed")]

mod access;
mod audit;
mod broken;
mod checks;
mod cli;
mod connections;
mod database;
mod episodes;
mod farm;
mod http;
mod journal;
mod mcp;
mod openapi;
mod process;
mod random_requests;
mod secrets;
mod settings;
mod stdio;
mod support;
mod synth;
mod tidy;
mod trainer;
mod trajectories;
mod tutorial;
mod walk;
mod watch;
