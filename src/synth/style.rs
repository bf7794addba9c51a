//! The style of a variant's tools, so that nobody learns one API by heart: verbs, paging, names of inputs and results, ids,
//! wording of errors.

use std::collections::BTreeMap;

use super::rng::Rng;

/// How rows are numbered or named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    /// 1, 2, 3.
    Small,
    /// From a larger number on, a different one for each table.
    Large,
    /// `ord_4k2j9x`.
    Prefixed,
    /// `4k2j9xq1`.
    Plain,
}

/// How a list is cut into pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// `limit` and `offset`, with `total`.
    Offset,
    /// `page` and `per_page`, with `total`.
    Page,
    /// `page` and `page_size`, with `has_more` beside `total`.
    More,
}

/// How an order is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sorting {
    /// `sort`.
    Sort,
    /// `sort_by`.
    SortBy,
    /// `order_by`.
    OrderBy,
}

/// How refusals are worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errors {
    /// `there is no order 17`
    Plain,
    /// `There is no order 17.`
    Sentence,
    /// `order_not_found: there is no order 17`
    Coded,
}

/// What the list in a result is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lists {
    /// By what it holds: `orders`.
    Named,
    /// `items`
    Items,
    /// `results`
    Results,
}

/// The style of a variant.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub ids: Ids,
    pub paging: Paging,
    pub page_default: u32,
    pub page_max: u32,
    pub sorting: Sorting,
    pub errors: Errors,
    pub lists: Lists,
    /// First words of list tools.
    pub list_verb: &'static str,
    /// First words of get tools.
    pub get_verb: &'static str,
    /// Ends of the two inputs of a range of days: `_from` and `_to`.
    pub days: (&'static str, &'static str),
    /// Beginnings of the two inputs of a range of numbers: `min_` and `max_`.
    pub numbers: (&'static str, &'static str),
    /// End of an input that a text must contain.
    pub contains: &'static str,
    /// Which of a tool's other names it has; a number drawn for each tool.
    names: Rng,
}

const LIST_VERBS: &[&str] = &["list", "find", "search", "browse", "query", "show"];
const GET_VERBS: &[&str] = &["get", "view", "fetch", "read", "look_up", "open"];
const DAYS: &[(&str, &str)] = &[("_from", "_to"), ("_after", "_before"), ("_since", "_until"), ("_start", "_end")];
const NUMBERS: &[(&str, &str)] = &[("min_", "max_"), ("at_least_", "at_most_"), ("lowest_", "highest_")];
const CONTAINS: &[&str] = &["", "_contains", "_like", "_matches"];

impl Style {
    /// Draws a style.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let pick = |rng: &mut Rng, count: usize| rng.below(count);
        Self {
            ids: [Ids::Small, Ids::Large, Ids::Prefixed, Ids::Plain][pick(rng, 4)],
            paging: [Paging::Offset, Paging::Page, Paging::More][pick(rng, 3)],
            page_default: [10, 15, 20, 25][pick(rng, 4)],
            page_max: [50, 100][pick(rng, 2)],
            sorting: [Sorting::Sort, Sorting::SortBy, Sorting::OrderBy][pick(rng, 3)],
            errors: [Errors::Plain, Errors::Sentence, Errors::Coded][pick(rng, 3)],
            lists: [Lists::Named, Lists::Named, Lists::Items, Lists::Results][pick(rng, 4)],
            list_verb: LIST_VERBS[pick(rng, LIST_VERBS.len())],
            get_verb: GET_VERBS[pick(rng, GET_VERBS.len())],
            days: DAYS[pick(rng, DAYS.len())],
            numbers: NUMBERS[pick(rng, NUMBERS.len())],
            contains: CONTAINS[pick(rng, CONTAINS.len())],
            names: rng.fork("names"),
        }
    }

    /// A tool's name in this style.
    pub(crate) fn tool_name(&self, canonical: &str, others: &[String], is_list: bool, is_get: bool) -> String {
        let mut rng = self.names.fork(canonical);
        if !others.is_empty() {
            let among = others.len() + usize::from(!others.iter().any(|other| other == canonical));
            return others.get(rng.below(among)).map_or(canonical, String::as_str).to_owned();
        }
        let swap = |verbs: &[&str], verb: &str| {
            let rest = verbs.iter().find_map(|known| canonical.strip_prefix(known)?.strip_prefix('_'));
            rest.map(|rest| format!("{verb}_{rest}"))
        };
        let styled = match (is_list, is_get) {
            (true, _) => swap(LIST_VERBS, self.list_verb),
            (_, true) => swap(GET_VERBS, self.get_verb),
            _ => None,
        };
        styled.unwrap_or_else(|| canonical.to_owned())
    }

    /// Which of several wordings a text has.
    pub(crate) fn wording<'t>(&self, key: &str, texts: &'t [String]) -> Option<&'t String> {
        self.names.fork(key).pick(texts)
    }

    /// A refusal's text in this style.
    pub(crate) fn error(&self, code: &str, text: &str) -> String {
        let text = text.trim();
        match self.errors {
            Errors::Plain => text.to_owned(),
            Errors::Sentence if text.starts_with('{') => format!("{}.", text.trim_end_matches('.')),
            Errors::Sentence => format!("{}.", super::words::capitalised(text.trim_end_matches('.'))),
            Errors::Coded => format!("{code}: {text}"),
        }
    }

    /// Name of the input that chooses an order.
    pub(crate) fn sort_input(&self) -> &'static str {
        match self.sorting {
            Sorting::Sort => "sort",
            Sorting::SortBy => "sort_by",
            Sorting::OrderBy => "order_by",
        }
    }

    /// Name of the list in a result.
    pub(crate) fn list_name(&self, named: &str) -> String {
        match self.lists {
            Lists::Named => named.to_owned(),
            Lists::Items => "items".to_owned(),
            Lists::Results => "results".to_owned(),
        }
    }

    /// The style in words, for `origin.yaml`.
    pub(crate) fn described(&self) -> BTreeMap<String, String> {
        let entries = [
            ("ids", format!("{:?}", self.ids).to_lowercase()),
            ("paging", format!("{:?}", self.paging).to_lowercase()),
            ("page", format!("{} of at most {}", self.page_default, self.page_max)),
            ("sorting", self.sort_input().to_owned()),
            ("errors", format!("{:?}", self.errors).to_lowercase()),
            ("lists", format!("{:?}", self.lists).to_lowercase()),
            ("verbs", format!("{}, {}", self.list_verb, self.get_verb)),
            ("ranges", format!("{}{} {}{}", self.numbers.0, self.numbers.1, self.days.0, self.days.1)),
            ("contains", self.contains.to_owned()),
        ];
        entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
