//! envfarm: small, real, code-driven environments for tool-using agents.

pub mod clock;
pub mod database;
pub mod engine;
pub mod id;
pub mod package;
