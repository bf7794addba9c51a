//! The integration tests: one binary, one module per layer.

mod database;
mod http;
mod mcp;
mod random_requests;
mod stdio;
mod support;
