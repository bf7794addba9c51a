#![doc = include_str!("ARCHITECTURE.md")]

pub mod cli;
pub mod clock;
pub mod config;
pub mod database;
pub mod engine;
pub mod episode;
pub mod farm;
pub mod http;
pub mod id;
pub mod journal;
pub mod mcp;
pub mod metrics;
pub mod package;
pub mod proof;
pub mod telemetry;
pub mod trajectory;
