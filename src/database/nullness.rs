//! Which columns of a result may be NULL, read off the compiled program.
//!
//! SQLite tells from which table's column a result column comes, but not what happens on the way: an outer join, a scalar
//! subquery without rows, another arm of a compound. So this follows each result register back through EXPLAIN's
//! instructions to the columns it is read from. The order of instructions is ignored: a register may be NULL if any
//! instruction that writes it may write NULL. What isn't understood counts as NULL, so `false` can be relied upon.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Result};

/// One instruction of a compiled statement.
#[derive(Debug)]
pub(super) struct Instruction {
    address: i64,
    pub(super) opcode: String,
    p1: i64,
    p2: i64,
    p3: i64,
    pub(super) p4: String,
}

/// The instructions of a statement, then those of its triggers and foreign key actions.
pub(super) fn explain(connection: &Connection, sql: &str) -> Result<Vec<Instruction>> {
    connection
        .prepare(&format!("EXPLAIN {sql}"))?
        .query_map([], |row| {
            Ok(Instruction {
                address: row.get(0)?,
                opcode: row.get(1)?,
                p1: row.get(2)?,
                p2: row.get(3)?,
                p3: row.get(4)?,
                p4: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
            })
        })?
        .collect()
}

/// For each result column, whether it may be NULL.
pub(super) fn result_columns(
    connection: &Connection,
    instructions: &[Instruction],
    columns: usize,
) -> Result<Vec<bool>> {
    // Addresses start anew with the first trigger; registers and cursors mean something else from there on.
    let main_length = instructions
        .iter()
        .skip(1)
        .position(|instruction| instruction.address == 0)
        .map_or(instructions.len(), |at| at + 1);
    let flow = Flow {
        program: &instructions[..main_length],
        stored: stored_columns(connection)?,
    };
    Ok((0..columns as i64)
        .map(|column| {
            flow.named("ResultRow")
                .any(|row| flow.register_may_be_null(row.p1 + column, &mut HashSet::new()))
        })
        .collect())
}

struct Flow<'a> {
    program: &'a [Instruction],
    stored: HashMap<(i64, i64), Vec<bool>>,
}

impl Flow<'_> {
    fn named(&self, opcode: &'static str) -> impl Iterator<Item = &Instruction> {
        self.program
            .iter()
            .filter(move |instruction| instruction.opcode == opcode)
    }

    fn register_may_be_null(&self, register: i64, seen: &mut HashSet<i64>) -> bool {
        if !seen.insert(register) {
            return false;
        }
        let mut written = false;
        for instruction in self.program {
            let Instruction { p1, p2, p3, .. } = *instruction;
            let may_be_null = match instruction.opcode.as_str() {
                "Column" if p3 == register => self.cell_may_be_null(p1, p2, seen),
                "Rowid" | "IdxRowid" if p2 == register => self.has_null_row(p1),
                "Copy" if (p2..=p2 + p3).contains(&register) => {
                    self.register_may_be_null(p1 + register - p2, seen)
                }
                "Move" if (p2..p2 + p3).contains(&register) => {
                    self.register_may_be_null(p1 + register - p2, seen)
                }
                "SCopy" | "IntCopy" if p2 == register => self.register_may_be_null(p1, seen),
                "Null" if (p2..=p3.max(p2)).contains(&register) => {
                    !self.resets_group(p2, p3.max(p2))
                }
                "Integer" | "Int64" | "Real" | "String" | "String8" | "Blob" | "NewRowid"
                    if p2 == register =>
                {
                    false
                }
                opcode if writes(opcode, instruction) == Some(register) => true,
                _ => continue,
            };
            if may_be_null {
                return true;
            }
            written = true;
        }
        !written
    }

    /// Sets the accumulators of a group to NULL. With GROUP BY (only that compiles to Jump) no row comes of a group without
    /// rows, and the accumulators hold the columns of one of them by then.
    fn resets_group(&self, first: i64, last: i64) -> bool {
        self.named("Jump").next().is_some()
            && self
                .named("AggStep")
                .any(|step| (first..=last).contains(&step.p3))
    }

    fn has_null_row(&self, cursor: i64) -> bool {
        self.named("NullRow").any(|row| row.p1 == cursor)
    }

    /// A column of the row a cursor is at.
    fn cell_may_be_null(&self, cursor: i64, column: i64, seen: &mut HashSet<i64>) -> bool {
        if self.has_null_row(cursor) {
            return true;
        }
        let mut opened = false;
        for instruction in self.program.iter().filter(|open| open.p1 == cursor) {
            let Instruction { p2, p3, .. } = *instruction;
            let may_be_null = match instruction.opcode.as_str() {
                "OpenRead" | "OpenWrite" | "ReopenIdx" => !self
                    .stored
                    .get(&(p3, p2))
                    .and_then(|columns| columns.get(column as usize))
                    .is_some_and(|&not_null| not_null),
                "OpenEphemeral" | "OpenAutoindex" | "SorterOpen" => {
                    self.inserted_may_be_null(cursor, column, seen)
                }
                "OpenDup" => self.inserted_may_be_null(p2, column, seen),
                "OpenPseudo" => self.record_may_be_null(p2, column, seen),
                _ => continue,
            };
            if may_be_null {
                return true;
            }
            opened = true;
        }
        !opened
    }

    fn inserted_may_be_null(&self, cursor: i64, column: i64, seen: &mut HashSet<i64>) -> bool {
        let inserts = |instruction: &&Instruction| {
            let opcode = instruction.opcode.as_str();
            instruction.p1 == cursor && matches!(opcode, "Insert" | "IdxInsert" | "SorterInsert")
        };
        let mut inserted = self.program.iter().filter(inserts).peekable();
        inserted.peek().is_none()
            || inserted.any(|insert| self.record_may_be_null(insert.p2, column, seen))
    }

    /// A column of the record in a register.
    fn record_may_be_null(&self, register: i64, column: i64, seen: &mut HashSet<i64>) -> bool {
        let mut made = false;
        for instruction in self.program {
            let Instruction { p1, p2, p3, .. } = *instruction;
            let may_be_null = match instruction.opcode.as_str() {
                "MakeRecord" if p3 == register => {
                    column >= p2 || self.register_may_be_null(p1 + column, seen)
                }
                "SorterData" | "RowData" if p2 == register => {
                    self.inserted_may_be_null(p1, column, seen)
                }
                _ => continue,
            };
            if may_be_null {
                return true;
            }
            made = true;
        }
        !made
    }
}

/// The register an instruction writes that computes something: possibly NULL.
fn writes(opcode: &str, instruction: &Instruction) -> Option<i64> {
    match opcode {
        "Function" | "PureFunc" | "Add" | "Subtract" | "Multiply" | "Divide" | "Remainder"
        | "Concat" | "BitAnd" | "BitOr" | "ShiftLeft" | "ShiftRight" | "And" | "Or"
        | "AggValue" | "VColumn" => Some(instruction.p3),
        "IfNullRow" => Some(instruction.p3).filter(|&register| register > 0),
        "Variable" | "Not" | "BitNot" | "IsTrue" | "Param" | "Sequence" | "ReadCookie"
        | "RowData" | "Count" => Some(instruction.p2),
        "AggFinal" | "SoftNull" | "ZeroOrNull" | "MemMax" => Some(instruction.p1),
        _ => None,
    }
}

/// For each b-tree of each database, by (database, root page): whether its stored columns are declared NOT NULL.
fn stored_columns(connection: &Connection) -> Result<HashMap<(i64, i64), Vec<bool>>> {
    let mut stored = HashMap::new();
    let databases: Vec<(i64, String)> = connection
        .prepare("SELECT seq, name FROM pragma_database_list WHERE name <> 'temp'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    for (database, name) in databases {
        // Virtual generated columns (hidden = 2) aren't stored. An INTEGER PRIMARY KEY is the row id.
        let mut tables = connection.prepare(&format!(
            "SELECT s.rootpage, c.\"notnull\" OR c.pk AND (l.strict OR l.wr OR upper(c.type) = 'INTEGER')
             FROM \"{name}\".sqlite_schema AS s
             JOIN pragma_table_list(s.name) AS l ON l.schema = '{name}'
             JOIN pragma_table_xinfo(s.name, '{name}') AS c ON c.hidden <> 2
             WHERE s.type = 'table' AND s.rootpage > 0 AND NOT l.wr ORDER BY s.rootpage, c.cid"
        ))?;
        let mut indexes = connection.prepare(&format!(
            "SELECT s.rootpage, i.cid = -1 OR coalesce(c.\"notnull\" OR c.pk AND (l.strict OR l.wr OR upper(c.type) = 'INTEGER'), 0)
             FROM (SELECT name, tbl_name, rootpage FROM \"{name}\".sqlite_schema WHERE type = 'index'
                   UNION ALL
                   SELECT (SELECT name FROM pragma_index_list(t.name, '{name}') WHERE origin = 'pk'), t.name, t.rootpage
                   FROM \"{name}\".sqlite_schema AS t JOIN pragma_table_list(t.name) AS tl ON tl.schema = '{name}' AND tl.wr
                   WHERE t.type = 'table') AS s
             JOIN pragma_table_list(s.tbl_name) AS l ON l.schema = '{name}'
             JOIN pragma_index_xinfo(s.name, '{name}') AS i
             LEFT JOIN pragma_table_xinfo(s.tbl_name, '{name}') AS c ON c.cid = i.cid
             ORDER BY s.rootpage, i.seqno"
        ))?;
        for statement in [&mut tables, &mut indexes] {
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let columns: &mut Vec<bool> = stored.entry((database, row.get(0)?)).or_default();
                columns.push(row.get(1)?);
            }
        }
    }
    Ok(stored)
}
