//! envfarm: small, real, code-driven environments for tool-using agents.

pub mod id;
