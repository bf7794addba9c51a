//! envfarm: small, real, code-driven environments for tool-using agents.

pub mod cli;
pub mod config;
pub mod engine;
pub mod episode;
pub mod farm;
pub mod http;
pub mod id;
pub mod mcp;
pub mod telemetry;
pub mod trajectory;
