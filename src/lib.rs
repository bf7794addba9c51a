//! envfarm: small, real, code-driven environments for tool-using agents.

pub mod database;
pub mod id;
