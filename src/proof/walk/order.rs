//! Whether the order of a result's rows rests on something SQLite is free to choose: it may change with every version and plan, so
//! such a result is the same only by luck.
//!
//! The call is made twice with the ORDER BY of every list continued, once by all result columns and once by all of them descending.
//! If the results differ, the ORDER BY left ties. For tools that only read, the second time also scans tables the other way round
//! wherever no ORDER BY tells how, which shows in lists without one and in aggregated texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use serde_json::Value;

use super::judge::Sample;
use crate::database::{Overlay, Pool};
use crate::engine::environment::{Environment, Tool};
use crate::engine::execute::{Executed, execute};
use crate::engine::program::{Program, Shape};
use crate::engine::state::{Conditions, State, budget};
use crate::id::ToolName;

/// Programs with their ORDER BYs continued, and connections to execute them on.
pub(super) struct Orders {
    /// By tool, ascending and descending.
    programs: BTreeMap<ToolName, (Program, Program)>,
    forward: Pool,
    /// Connections that scan the other way round.
    backward: Pool,
}

impl Orders {
    /// Rewrites the programs of an environment.
    pub(super) fn new(environment: &Environment) -> Self {
        let pool = || Pool::new(Arc::clone(environment.image()), 1);
        let orders = Self {
            programs: environment
                .tools()
                .iter()
                .map(|(name, tool)| (name.clone(), (continued(tool.program(), ""), continued(tool.program(), " DESC"))))
                .collect(),
            forward: pool(),
            backward: pool(),
        };
        let moment =
            State::default().moment(&Conditions { seed: 0, clock_ms: environment.clock_ms(), actor: Value::Null });
        if let Ok(bound) = orders.backward.bind(&Overlay::default(), moment, budget(None)) {
            // Where this can't be set, ties are still found. The pool keeps this one connection.
            let _ = bound.connection().set_db_config(DbConfig::SQLITE_DBCONFIG_REVERSE_SCANORDER, true);
        }
        orders
    }

    /// Whether a call's result depends on an order nobody asked for.
    pub(super) fn is_free(&self, tool: &Tool, sample: &Sample) -> bool {
        let Some((ascending, descending)) = self.programs.get(tool.name()) else { return false };
        let backward = if tool.program().read_only() { &self.backward } else { &self.forward };
        let first = result(&self.forward, ascending, tool, sample);
        first.is_some() && first != result(backward, descending, tool, sample)
    }
}

fn result(pool: &Pool, program: &Program, tool: &Tool, sample: &Sample) -> Option<Value> {
    let (state, conditions) = (&sample.entry.state, &sample.entry.conditions);
    let values = tool.inputs().bind(&sample.arguments).ok()?;
    let mut bound = pool.bind(&state.overlay, state.moment(conditions), budget(None)).ok()?;
    match execute(program, &mut bound, state.slots(conditions, program, &sample.arguments, values)) {
        Ok(Executed::Completed { result, .. }) => Some(result.value()),
        Ok(Executed::Rejected { .. }) | Err(_) => None,
    }
}

fn continued(program: &Program, direction: &str) -> Program {
    let mut program = program.clone();
    for member in &mut program.members {
        if member.shape == Shape::Rows {
            let columns: Vec<String> =
                (1..=member.columns.len()).map(|column| format!("{column}{direction}")).collect();
            if let Some(sql) = continue_order(&member.query.sql, &columns.join(", ")) {
                member.query.sql = Arc::from(sql);
            }
        }
    }
    program
}

/// The statement with `more` at the end of its outermost ORDER BY; none where it has none.
fn continue_order(sql: &str, more: &str) -> Option<String> {
    let words = outer_words(sql);
    let is = |index: usize, word: &str| words.get(index).is_some_and(|(_, found)| found.eq_ignore_ascii_case(word));
    let order = (0..words.len()).rev().find(|index| is(*index, "ORDER") && is(index + 1, "BY"))?;
    let limit = (order..words.len()).find(|index| is(*index, "LIMIT"));
    let end =
        limit.and_then(|limit| words.get(limit)).map_or(sql.trim_end().trim_end_matches(';').len(), |(at, _)| *at);
    Some(format!("{}, {more} {}", sql[..end].trim_end(), &sql[end..]))
}

/// The words of a statement outside brackets and quotes, with where they begin.
fn outer_words(sql: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut depth = 0_usize;
    let mut quote = None;
    let mut start = None;
    for (at, next) in sql.char_indices().chain([(sql.len(), ' ')]) {
        if quote.is_some() {
            if quote == Some(next) {
                quote = None;
            }
            continue;
        }
        let is_name = next.is_alphanumeric() || next == '_';
        match start {
            None if is_name && depth == 0 => start = Some(at),
            Some(from) if !is_name => {
                words.push((from, &sql[from..at]));
                start = None;
            }
            _ => {}
        }
        match next {
            '\'' | '"' | '`' => quote = Some(next),
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_order_is_continued() {
        let sql = "SELECT a, (SELECT b FROM u ORDER BY c LIMIT 1) AS d FROM t ORDER BY CASE 'LIMIT (' WHEN a THEN 1 END DESC LIMIT :limit OFFSET 2";
        let expected = "SELECT a, (SELECT b FROM u ORDER BY c LIMIT 1) AS d FROM t ORDER BY CASE 'LIMIT (' WHEN a THEN 1 END DESC, 1, 2 LIMIT :limit OFFSET 2";
        assert_eq!(continue_order(sql, "1, 2").unwrap(), expected);
        assert_eq!(
            continue_order("SELECT a FROM t ORDER BY b", "1 DESC").unwrap(),
            "SELECT a FROM t ORDER BY b, 1 DESC "
        );
        assert_eq!(continue_order("SELECT a FROM (SELECT a FROM t ORDER BY b)", "1"), None);
    }
}
