//! What can be counted in a package that doesn't load.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::database::{self, ImageSource};
use crate::engine::catalog::Catalog;
use crate::package::{DATA_FILE, SCHEMA_FILE, TASKS_FILE, TOOLS_FILE};

/// Sizes of a package.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) tables: usize,
    pub(super) rows: usize,
    pub(super) tools: usize,
    pub(super) tasks: usize,
}

/// Counts what the files of a package hold, each by itself; 0 for what can't be read.
pub(super) fn files(directory: &Path) -> Counts {
    let text = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
    let entries = |name: &str| -> usize {
        let parsed: Result<Vec<Value>, _> = serde_saphyr::from_str(&text(name));
        parsed.map_or(0, |entries| entries.len())
    };
    let (schema, data) = (text(SCHEMA_FILE), text(DATA_FILE));
    let (tables, rows) =
        database(&schema, &data).or_else(|| database(&schema, "").map(|(tables, _)| (tables, 0))).unwrap_or_default();
    Counts { tables, rows, tools: entries(TOOLS_FILE), tasks: entries(TASKS_FILE) }
}

/// Numbers of tables and of rows.
fn database(schema: &str, data: &str) -> Option<(usize, usize)> {
    let source = ImageSource { schema, data, clock_ms: 0 };
    let image = database::build_image(&source).ok()?;
    let plain = database::open_bytes(image.bytes()).ok()?;
    let catalog = Catalog::read(&plain).ok()?;
    Some((catalog.tables.len(), catalog.rows(&plain)))
}
