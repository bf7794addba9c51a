//! Questions of blueprints to a state of an environment.

use std::rc::Rc;

use indexmap::IndexMap;
use serde_json::Value;

use crate::engine::arguments::to_sql;
use crate::engine::environment::{Environment, to_json};
use crate::engine::state::{Conditions, State, budget};

/// A row with the names of its columns.
pub(super) type Row = IndexMap<Rc<str>, Value>;

/// Most rows a question may give: more are no description of anything.
const ROWS_MAX: usize = 3_000;

/// The rows of a SELECT over a state. `parameters` are bound by name, beside `:actor` and `:now`.
pub(super) fn rows(
    environment: &Environment,
    state: &State,
    conditions: &Conditions,
    sql: &str,
    parameters: &Row,
) -> Result<Vec<Row>, String> {
    let text = |err: rusqlite::Error| err.to_string();
    let bound = environment
        .pool()
        .bind(&state.overlay, state.moment(conditions), budget(None))
        .map_err(|err| err.to_string())?;
    let mut statement = bound.prepare(sql).map_err(text)?;
    if !statement.readonly() {
        return Err("only a SELECT can be asked here".to_owned());
    }
    for index in 0..statement.parameter_count() {
        let parameter = statement.parameter_name(index + 1).unwrap_or_default().to_owned();
        let name = parameter.trim_start_matches(':');
        let value = match name {
            "actor" => conditions.actor.clone(),
            "now" => Value::from(crate::clock::format(state.now_ms(conditions))),
            other => parameters.get(other).cloned().ok_or_else(|| format!("there is no value for {parameter}"))?,
        };
        statement.raw_bind_parameter(index + 1, to_sql(&value, false)).map_err(text)?;
    }
    let names: Vec<Rc<str>> = statement.column_names().map(Rc::from).collect();
    let mut found = statement.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(text)? {
        if rows.len() >= ROWS_MAX {
            return Err(format!("it gives more than {ROWS_MAX} rows"));
        }
        let mut out = Row::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            out.insert(Rc::clone(name), to_json(row.get(index).map_err(text)?));
        }
        rows.push(out);
    }
    Ok(rows)
}
