//! List tools: filters, sorting and paging in the variant's style.

use serde_json::{Value, json};

use super::super::blueprint::files::{FilterFile, TextOr, ToolFile};
use super::super::style::Paging;
use super::super::words::{capitalised, humanise};
use super::super::world::{Column, Entity, Kind, Resolver, id_type};
use super::sql;
use super::{Names, Paged, ReturnOut, ToolOut};
use crate::package::diagnostic::Code;

/// Longest text that a filter looks for.
const QUERY_LENGTH_MAX: u32 = 80;

/// Last page that can be asked for.
const PAGE_MAX: u32 = 1_000;

impl ToolOut {
    /// Makes it a list.
    pub(super) fn list(&mut self, resolver: &mut Resolver<'_>, names: &Names<'_>, file: &ToolFile) {
        let place = self.place.clone();
        let (Some(list), Some(from)) = (&file.list, &file.from) else {
            resolver.wrong(Code::BlueprintInvalid, &place, 0, format!("{}: a list needs `from`", self.canonical));
            return;
        };
        let (line, list, from) =
            (list.line, resolver.sql(&place, list.line, list), resolver.sql(&place, from.line, from));
        let aliases = sql::aliases(&from, names.entities);
        let Some((main, entity)) = aliases.first().cloned() else {
            resolver.wrong(
                Code::BlueprintReference,
                &place,
                line,
                format!("{}: `from` begins with no table of this variant: {from}", self.canonical),
            );
            return;
        };
        let mut conditions = Vec::new();
        if let Some(restriction) = &file.restriction {
            conditions.push(format!("({})", resolver.sql(&place, restriction.line, restriction)));
        }
        for (name, filter) in &file.filters {
            let spec = match &filter.value {
                TextOr::Text(column) => FilterFile { equals: Some(column.clone()), ..FilterFile::default() },
                TextOr::Full(spec) => spec.clone(),
            };
            if resolver.holds(&spec.condition.0) {
                self.filter(resolver, names, name, &spec, filter.line, &aliases, &mut conditions);
            }
        }
        let group = file.group.as_ref().map(|group| resolver.sql(&place, group.line, group));
        let condition =
            if conditions.is_empty() { String::new() } else { format!("\nWHERE {}", conditions.join("\n  AND ")) };
        let grouped = group.as_ref().map(|group| format!("\n{}", with_group(group))).unwrap_or_default();
        let order = self.order(resolver, file, &main, entity);
        let (window, more) = self.window(resolver);
        let named = resolver.variant.style.list_name(file.named.as_deref().unwrap_or(&entity.table));
        let types = super::types(resolver, &place, names.entities, &list, &from, &file.types);
        let rows = format!("SELECT {list}\nFROM {from}{condition}{grouped}\nORDER BY {order}\n{window}");
        let total = if grouped.is_empty() {
            format!("SELECT count(*) FROM {from}{condition}")
        } else {
            format!("SELECT count(*) FROM (SELECT 1 FROM {from}{condition}{grouped})")
        };
        let json = file.json.iter().map(|name| name.value.clone()).collect();
        self.returns.insert(named.clone(), ReturnOut { shape: "rows", sql: rows, types, json, ..ReturnOut::default() });
        let integer = Some("integer".to_owned());
        self.returns.insert(
            "total".to_owned(),
            ReturnOut { shape: "value", sql: total.clone(), value_type: integer, ..ReturnOut::default() },
        );
        if let Some(more) = more {
            let sql = format!("SELECT ({total}) > {more}");
            let out = ReturnOut { shape: "value", sql, value_type: Some("boolean".to_owned()), ..ReturnOut::default() };
            self.returns.insert("has_more".to_owned(), out);
        }
        self.paged = Some(Paged { list: named });
    }

    fn put(&mut self, name: &str, property: Value) {
        self.properties.insert(name.to_owned(), property);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one filter of one list; a struct of them would be named after this call"
    )]
    fn filter(
        &mut self,
        resolver: &mut Resolver<'_>,
        names: &Names<'_>,
        name: &str,
        spec: &FilterFile,
        line: usize,
        aliases: &[(String, &Entity)],
        conditions: &mut Vec<String>,
    ) {
        let place = self.place.clone();
        let style = resolver.variant.style.clone();
        let about = spec.about.as_ref().map(|about| {
            let filled = resolver.text(&place, line, about);
            names.replace(&filled)
        });
        let described = |otherwise: String| about.clone().unwrap_or(otherwise);
        let words = humanise(name.trim_end_matches("_id"));
        if let Some(expression) = &spec.contains {
            let input = if name.ends_with("query") || style.contains.is_empty() {
                name.to_owned()
            } else {
                format!("{name}{}", style.contains)
            };
            self.rename(name, &input);
            let about = described(format!("Only with this text in the {words}, in any case"));
            self.put(&input, json!({"type": "string", "minLength": 1, "maxLength": QUERY_LENGTH_MAX, "pattern": "\\S", "description": about}));
            let expression = resolver.sql(&place, line, expression);
            conditions.push(format!("(:{input} IS NULL OR instr(lower({expression}), lower(trim(:{input}))) > 0)"));
        } else if let Some(expression) = &spec.range {
            let expression = resolver.sql(&place, line, expression);
            self.range(resolver, name, spec, line, &expression, aliases, about.as_deref(), conditions);
        } else if let Some(condition) = &spec.flag {
            let condition = resolver.sql(&place, line, condition);
            let about = described(format!("Only {words}"));
            self.put(name, json!({"type": "boolean", "default": false, "description": about}));
            conditions.push(format!("(NOT :{name} OR ({condition}))"));
        } else if let Some(expression) = &spec.equals {
            let expression = resolver.sql(&place, line, expression);
            let column = sql::plain_column(&expression, aliases);
            let id = (column.is_none() && (expression == "id" || expression.ends_with(".id"))).then_some(());
            let Some(mut property) = equal_property(names, name, spec, column, id.is_some()) else {
                resolver.wrong(
                    Code::BlueprintInvalid,
                    &place,
                    line,
                    format!(
                        "{}: the filter {name} is no plain column of this variant; give `type` or `enum`",
                        self.canonical
                    ),
                );
                return;
            };
            property["description"] = Value::from(described(format!("Only with this {words}")));
            self.put(name, property);
            conditions.push(format!("(:{name} IS NULL OR {expression} = :{name})"));
        } else {
            resolver.wrong(
                Code::BlueprintInvalid,
                &place,
                line,
                format!("{}: the filter {name} has none of equals, contains, range and flag", self.canonical),
            );
        }
    }

    #[expect(clippy::too_many_arguments, reason = "as for a filter")]
    fn range(
        &mut self,
        resolver: &mut Resolver<'_>,
        name: &str,
        spec: &FilterFile,
        line: usize,
        expression: &str,
        aliases: &[(String, &Entity)],
        about: Option<&str>,
        conditions: &mut Vec<String>,
    ) {
        let style = resolver.variant.style.clone();
        let kind = spec
            .kind
            .clone()
            .or_else(|| sql::plain_column(expression, aliases).map(|column| range_kind(column).to_owned()));
        let Some(kind) = kind else {
            let place = self.place.clone();
            resolver.wrong(
                Code::BlueprintInvalid,
                &place,
                line,
                format!(
                    "{}: the range {name} is no plain column; give `type`: integer, number, money, date or time",
                    self.canonical
                ),
            );
            return;
        };
        let words = about.map_or_else(|| capitalised(&humanise(name.trim_end_matches("_cents"))), str::to_owned);
        let days = kind == "date" || kind == "time";
        let (low, high) = if days {
            (format!("{name}{}", style.days.0), format!("{name}{}", style.days.1))
        } else {
            let cents = if kind == "money" && !name.ends_with("_cents") { "_cents" } else { "" };
            (format!("{}{name}{cents}", style.numbers.0), format!("{}{name}{cents}", style.numbers.1))
        };
        let property = |side: &str| match kind.as_str() {
            "date" | "time" => {
                json!({"type": "string", "format": "date", "description": format!("{words}: {side} this day (YYYY-MM-DD), included")})
            }
            "money" => {
                json!({"type": "integer", "minimum": 0, "description": format!("{words}: {side} this amount in cents")})
            }
            "number" => json!({"type": "number", "description": format!("{words}: {side} this")}),
            _ => json!({"type": "integer", "description": format!("{words}: {side} this")}),
        };
        let (from, to) = if days { ("from", "up to") } else { ("at least", "at most") };
        self.put(&low, property(from));
        self.put(&high, property(to));
        let bare = name.trim_end_matches("_cents");
        for (canonical, styled) in [
            (format!("{name}_from"), &low),
            (format!("{name}_to"), &high),
            (format!("min_{name}"), &low),
            (format!("max_{name}"), &high),
            (format!("{name}_min"), &low),
            (format!("{name}_max"), &high),
            (format!("min_{bare}_cents"), &low),
            (format!("max_{bare}_cents"), &high),
            (format!("{name}_after"), &low),
            (format!("{name}_before"), &high),
            (format!("{name}_since"), &low),
            (format!("{name}_until"), &high),
        ] {
            self.rename(&canonical, styled);
        }
        let compared = if kind == "time" { format!("date({expression})") } else { expression.to_owned() };
        conditions.push(format!("(:{low} IS NULL OR {compared} >= :{low})"));
        conditions.push(format!("(:{high} IS NULL OR {compared} <= :{high})"));
    }

    fn rename(&mut self, canonical: &str, styled: &str) {
        if canonical != styled {
            self.renamed.insert(canonical.to_owned(), styled.to_owned());
        }
    }

    /// ORDER BY, and the input that chooses among several.
    fn order(&mut self, resolver: &mut Resolver<'_>, file: &ToolFile, main: &str, entity: &Entity) -> String {
        let key: Vec<String> = if entity.key.is_empty() {
            vec![format!("{main}.id")]
        } else {
            entity.key.iter().map(|column| format!("{main}.{column}")).collect()
        };
        let key = if file.group.is_some() && !entity.key.is_empty() { key[0].clone() } else { key.join(", ") };
        let place = self.place.clone();
        let mut orders = Vec::new();
        for (name, expression) in &file.sort {
            orders.push((name.clone(), resolver.sql(&place, expression.line, expression)));
        }
        match orders.as_slice() {
            [] => key,
            [(_, only)] => format!("{only}, {key}"),
            [(first, _), ..] => {
                let input = resolver.variant.style.sort_input();
                let members: Vec<&String> = orders.iter().map(|(name, _)| name).collect();
                self.put(
                    input,
                    json!({"type": "string", "enum": members, "default": first, "description": "Order of the list"}),
                );
                let mut parts = Vec::new();
                for (name, expression) in &orders {
                    for part in sql::split_commas(expression) {
                        let (part, direction) = direction(part);
                        parts.push(format!("CASE :{input} WHEN '{name}' THEN {part} END{direction}"));
                    }
                }
                parts.push(key);
                parts.join(", ")
            }
        }
    }

    /// LIMIT and OFFSET, and how many rows end with this page where the style says whether there are more.
    fn window(&mut self, resolver: &Resolver<'_>) -> (String, Option<String>) {
        let style = &resolver.variant.style;
        let size = |about: &str| json!({"type": "integer", "minimum": 1, "maximum": style.page_max, "default": style.page_default, "description": about});
        let page = json!({"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 1, "description": "Page to return, from 1"});
        match style.paging {
            Paging::Offset => {
                self.put("limit", size("Most rows to return"));
                self.put(
                    "offset",
                    json!({"type": "integer", "minimum": 0, "default": 0, "description": "Rows to skip"}),
                );
                ("LIMIT :limit OFFSET :offset".to_owned(), None)
            }
            Paging::Page => {
                self.put("page", page);
                self.put("per_page", size("Rows on a page"));
                ("LIMIT :per_page OFFSET (:page - 1) * :per_page".to_owned(), None)
            }
            Paging::More => {
                self.put("page", page);
                self.put("page_size", size("Rows on a page"));
                ("LIMIT :page_size OFFSET (:page - 1) * :page_size".to_owned(), Some(":page * :page_size".to_owned()))
            }
        }
    }
}

/// GROUP BY, which an author may have left out.
fn with_group(group: &str) -> String {
    if group.to_lowercase().starts_with("group by") { group.to_owned() } else { format!("GROUP BY {group}") }
}

/// An order's expression and its direction.
fn direction(part: &str) -> (&str, &'static str) {
    let lower = part.to_lowercase();
    if lower.ends_with(" desc") {
        (part[..part.len() - 5].trim(), " DESC")
    } else if lower.ends_with(" asc") {
        (part[..part.len() - 4].trim(), "")
    } else {
        (part, "")
    }
}

fn range_kind(column: &Column) -> &'static str {
    match column.kind {
        Kind::Date(..) => "date",
        Kind::Time { .. } => "time",
        Kind::Money { .. } => "money",
        Kind::Number { .. } => "number",
        _ => "integer",
    }
}

fn equal_property(
    names: &Names<'_>,
    name: &str,
    spec: &FilterFile,
    column: Option<&Column>,
    id: bool,
) -> Option<Value> {
    if let Some(members) = &spec.members {
        return Some(json!({"type": "string", "enum": members}));
    }
    let text = || json!({"type": "string", "minLength": 1, "maxLength": 200});
    if let Some(kind) = &spec.kind {
        return Some(match kind.as_str() {
            "integer" | "money" => json!({"type": "integer"}),
            "number" => json!({"type": "number"}),
            "boolean" => json!({"type": "boolean"}),
            "date" | "time" => json!({"type": "string", "format": "date"}),
            _ => text(),
        });
    }
    let of_id = |table: &str| {
        let mut property = if id_type(names.ids) == "INTEGER" {
            json!({"type": "integer"})
        } else {
            json!({"type": "string", "minLength": 1, "maxLength": 40})
        };
        let by_name = name.strip_suffix("_id").is_some_and(|thing| super::super::words::plural(thing) == table);
        if !by_name {
            property["x-from"] = Value::from(format!("{table}.id"));
        }
        property
    };
    if id {
        return Some(json!({"type": if id_type(names.ids) == "INTEGER" { "integer" } else { "string" }}));
    }
    Some(match &column?.kind {
        Kind::Ref { entity, .. } => of_id(&names.entities.get(entity)?.table),
        Kind::Enum { members, .. } => json!({"type": "string", "enum": members}),
        Kind::Int(..) | Kind::Money { .. } => json!({"type": "integer"}),
        Kind::Number { .. } => json!({"type": "number"}),
        Kind::Bool(_) => json!({"type": "boolean"}),
        Kind::Date(..) => json!({"type": "string", "format": "date"}),
        Kind::Text { .. } | Kind::Time { .. } => text(),
    })
}
