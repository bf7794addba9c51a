//! envfarm: small, real, code-driven environments for tool-using agents.

pub mod clock;
pub mod database;
pub mod engine;
pub mod episode;
pub mod farm;
pub mod id;
pub mod package;
pub mod proof;
pub mod trajectory;
