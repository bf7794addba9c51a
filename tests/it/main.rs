//! Everything that is tested from outside a module, in one binary.

mod http;
mod mcp;
mod random_requests;
mod stdio;
mod support;
