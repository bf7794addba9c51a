//! Which columns of a result may be NULL, read off the compiled program.
//!
//! SQLite tells from which table's column a result column comes, but not what happens on the way: an outer join, a scalar
//! subquery without rows, another arm of a compound. So this follows each result register back through EXPLAIN's
//! instructions to the columns it is read from. What isn't understood counts as NULL, so `false` can be relied upon.

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
    let mut statement = connection.prepare(&format!("EXPLAIN {sql}"))?;
    // Parameters stay unbound: they don't influence the program.
    let rows = statement.raw_query().mapped(|row| {
        Ok(Instruction {
            address: row.get(0)?,
            opcode: row.get(1)?,
            p1: row.get(2)?,
            p2: row.get(3)?,
            p3: row.get(4)?,
            p4: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
        })
    });
    rows.collect()
}

/// For each b-tree of each database, by (database, root page): whether its stored columns are never NULL.
pub(super) type StoredColumns = HashMap<(i64, i64), Vec<bool>>;

/// For each result column, whether it may be NULL.
pub(super) fn result_columns(instructions: &[Instruction], columns: usize, stored: &StoredColumns) -> Vec<bool> {
    // Addresses start anew with the first trigger; registers and cursors mean something else from there on.
    let main_length = instructions
        .iter()
        .skip(1)
        .position(|instruction| instruction.address == 0)
        .map_or(instructions.len(), |at| at + 1);
    let program = &instructions[..main_length];
    let flow = Flow { program, joins: joins(program), stored };
    let results = flow.indices("ResultRow");
    (0..columns as i64)
        .map(|column| {
            results.iter().any(|&at| {
                let register = program[at].p1 + column;
                flow.may_be_null(Place::Register { at, register }, &mut HashSet::new())
            })
        })
        .collect()
}

/// Somewhere a value is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// A register, read by the instruction at this index.
    Register { at: usize, register: i64 },
    /// A column of the record in a register, read by the instruction at this index.
    Record { at: usize, register: i64, column: i64 },
    /// A column of the row a cursor is at, read by the instruction at this index.
    Cell { at: usize, cursor: i64, column: i64 },
    /// A column of what was inserted into a sorter or temporary table.
    Inserted { cursor: i64, column: i64 },
}

struct Flow<'a> {
    program: &'a [Instruction],
    /// Indices that may be reached otherwise than from the instruction before.
    joins: HashSet<i64>,
    stored: &'a StoredColumns,
}

impl Flow<'_> {
    /// `seen` holds the places that are being looked at: a loop adds nothing to what enters it.
    fn may_be_null(&self, place: Place, seen: &mut HashSet<Place>) -> bool {
        if !seen.insert(place) {
            return false;
        }
        match place {
            Place::Register { at, register } => {
                self.any(self.writers(at, register), |writer| self.written_may_be_null(writer, register, seen))
            }
            Place::Record { at, register, column } => self.any(self.writers(at, register), |writer| {
                let Instruction { p1, p2, .. } = self.program[writer];
                match self.program[writer].opcode.as_str() {
                    "MakeRecord" if column < p2 => {
                        let (at, register) = (writer, p1 + column);
                        self.may_be_null(Place::Register { at, register }, seen)
                    }
                    "SorterData" | "RowData" => self.may_be_null(Place::Inserted { cursor: p1, column }, seen),
                    _ => true,
                }
            }),
            Place::Cell { at, cursor, column } => {
                self.has_null_row(cursor)
                    || self.any(self.openings(cursor), |opening| self.opened_may_be_null(at, opening, column, seen))
            }
            Place::Inserted { cursor, column } => self.any(self.inserts(cursor), |at| {
                let register = self.program[at].p2;
                self.may_be_null(Place::Record { at, register, column }, seen)
            }),
        }
    }

    /// As `Iterator::any`, except that where nothing is known NULL is possible.
    fn any(&self, found: Vec<usize>, may_be_null: impl FnMut(usize) -> bool) -> bool {
        found.is_empty() || found.into_iter().any(may_be_null)
    }

    fn written_may_be_null(&self, at: usize, to: i64, seen: &mut HashSet<Place>) -> bool {
        let Instruction { p1, p2, p3, .. } = self.program[at];
        match self.program[at].opcode.as_str() {
            "Integer" | "Int64" | "Real" | "String" | "String8" | "Blob" | "NewRowid" => false,
            "Rowid" | "IdxRowid" => self.has_null_row(p1),
            "Column" => {
                let (cursor, column) = (p1, p2);
                self.may_be_null(Place::Cell { at, cursor, column }, seen)
            }
            "Copy" | "Move" | "SCopy" | "IntCopy" => {
                let register = p1 + to - p2;
                self.may_be_null(Place::Register { at, register }, seen)
            }
            "Null" => !self.resets_group(p2, p3.max(p2)),
            _ => true,
        }
    }

    fn opened_may_be_null(&self, at: usize, opening: usize, column: i64, seen: &mut HashSet<Place>) -> bool {
        let Instruction { p1, p2, p3, .. } = self.program[opening];
        match self.program[opening].opcode.as_str() {
            "OpenDup" => self.may_be_null(Place::Inserted { cursor: p2, column }, seen),
            "OpenPseudo" => {
                let register = p2;
                self.may_be_null(Place::Record { at, register, column }, seen)
            }
            "OpenRead" | "OpenWrite" | "ReopenIdx" => {
                let columns = self.stored.get(&(p3, p2));
                let not_null = columns.and_then(|columns| columns.get(column as usize));
                not_null != Some(&true)
            }
            _ => self.may_be_null(Place::Inserted { cursor: p1, column }, seen),
        }
    }

    /// Sets the accumulators of a group to NULL. With GROUP BY (only that compiles to Jump) no row comes of a group without
    /// rows, and the accumulators hold the columns of one of them by then.
    fn resets_group(&self, first: i64, last: i64) -> bool {
        let accumulates = |&at: &usize| (first..=last).contains(&self.program[at].p3);
        !self.indices("Jump").is_empty() && self.indices("AggStep").iter().any(accumulates)
    }

    fn has_null_row(&self, cursor: i64) -> bool {
        self.program.iter().any(|one| one.opcode == "NullRow" && one.p1 == cursor)
    }

    fn openings(&self, cursor: i64) -> Vec<usize> {
        self.matching(|one| {
            let opens = one.opcode.starts_with("Open") || one.opcode == "ReopenIdx";
            one.p1 == cursor && (opens || one.opcode == "SorterOpen")
        })
    }

    fn inserts(&self, cursor: i64) -> Vec<usize> {
        self.matching(|one| {
            let opcode = one.opcode.as_str();
            one.p1 == cursor && matches!(opcode, "Insert" | "IdxInsert" | "SorterInsert")
        })
    }

    fn indices(&self, opcode: &str) -> Vec<usize> {
        self.matching(|one| one.opcode == opcode)
    }

    fn matching(&self, test: impl Fn(&Instruction) -> bool) -> Vec<usize> {
        (0..self.program.len()).filter(|&at| test(&self.program[at])).collect()
    }

    /// The instructions that may have written what the one at `at` finds in a register: the last one before, if one comes
    /// from there only by going straight on; else all that write it at all.
    fn writers(&self, at: usize, register: i64) -> Vec<usize> {
        for before in (0..at).rev() {
            if self.joins.contains(&(before as i64 + 1)) {
                break;
            }
            if writes(&self.program[before], register) {
                return vec![before];
            }
        }
        self.matching(|one| writes(one, register))
    }
}

/// Opcodes that go on with the next instruction and nowhere else. Others are taken for jumps.
const STRAIGHT: [&str; 56] = [
    "Add",
    "Affinity",
    "AggFinal",
    "AggStep",
    "AggValue",
    "And",
    "BitAnd",
    "BitNot",
    "BitOr",
    "Blob",
    "Cast",
    "Close",
    "CollSeq",
    "Column",
    "ColumnsUsed",
    "Compare",
    "Concat",
    "Copy",
    "DeferredSeek",
    "Divide",
    "Explain",
    "FinishSeek",
    "Function",
    "IdxInsert",
    "IdxRowid",
    "Insert",
    "Int64",
    "IntCopy",
    "Integer",
    "IsTrue",
    "MakeRecord",
    "Move",
    "Multiply",
    "NewRowid",
    "Not",
    "Null",
    "NullRow",
    "OpenEphemeral",
    "OpenPseudo",
    "OpenRead",
    "Or",
    "PureFunc",
    "Real",
    "RealAffinity",
    "Remainder",
    "ResultRow",
    "RowData",
    "Rowid",
    "SCopy",
    "Sequence",
    "SorterData",
    "SorterInsert",
    "String8",
    "Subtract",
    "VColumn",
    "Variable",
];

/// Addresses that are jumped to, or returned to.
fn joins(program: &[Instruction]) -> HashSet<i64> {
    program
        .iter()
        .filter(|one| !STRAIGHT.contains(&one.opcode.as_str()))
        .flat_map(|one| [one.p1, one.p2, one.p3, one.address + 1])
        .collect()
}

/// Whether an instruction writes a register (or may, for those that nothing is known of but that they write one).
fn writes(one: &Instruction, register: i64) -> bool {
    let Instruction { p1, p2, p3, .. } = *one;
    match one.opcode.as_str() {
        "Copy" => (p2..=p2 + p3).contains(&register),
        "Move" => (p2..p2 + p3).contains(&register),
        "Null" => (p2..=p3.max(p2)).contains(&register),
        "AggFinal" | "SoftNull" | "AddImm" | "MemMax" => p1 == register,
        "Rowid" | "IdxRowid" | "SCopy" | "IntCopy" | "Integer" | "Int64" | "Real" | "String" | "String8" | "Blob"
        | "NewRowid" | "SorterData" | "RowData" | "Variable" | "Not" | "BitNot" | "IsTrue" | "ZeroOrNull" | "Param"
        | "Sequence" | "ReadCookie" | "Count" | "OffsetLimit" | "VInitIn" | "GetSubtype" | "BeginSubrtn" => {
            p2 == register
        }
        "Column" | "MakeRecord" | "Function" | "PureFunc" | "Add" | "Subtract" | "Multiply" | "Divide"
        | "Remainder" | "Concat" | "BitAnd" | "BitOr" | "ShiftLeft" | "ShiftRight" | "And" | "Or" | "AggValue"
        | "VColumn" | "Offset" | "IfNullRow" | "RowSetRead" => p3 == register,
        _ => false,
    }
}

/// Reads [`StoredColumns`] from the schema; the same for all statements of a connection.
pub(super) fn stored_columns(connection: &Connection) -> Result<StoredColumns> {
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
