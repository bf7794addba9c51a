//! How similar any two environments are, and which is nearest to each.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering as Memory};
use std::thread;

use super::report::{Nearest, Neighbour};
use super::shapes::Shapes;

/// What an environment is compared by.
#[derive(Debug, Clone, Default)]
pub(super) struct Print {
    /// The family, or the environment itself.
    pub family: String,
    /// Names of the tools.
    pub tools: Vec<String>,
    /// Shapes of tables and statements.
    pub shapes: Shapes,
}

/// The nearest of some environments: how similar, and which.
#[derive(Debug, Clone, Copy, Default)]
struct Best(Option<(f64, usize)>);

/// The nearest environments by each measure.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// Of other families, by tools, tables and statements.
    other: [Best; 3],
    /// Of the same family.
    same: [Best; 3],
}

impl Best {
    fn offer(&mut self, similarity: f64, index: usize) {
        // Of equal ones the first, so that it doesn't matter who compares first.
        let better = |(best, at): (f64, usize)| match similarity.total_cmp(&best) {
            Ordering::Greater => true,
            Ordering::Equal => index < at,
            Ordering::Less => false,
        };
        if self.0.is_none_or(better) {
            self.0 = Some((similarity, index));
        }
    }

    fn merge(&mut self, other: Self) {
        if let Some((similarity, index)) = other.0 {
            self.offer(similarity, index);
        }
    }
}

impl Row {
    fn best(&mut self, same: bool) -> &mut [Best; 3] {
        if same { &mut self.same } else { &mut self.other }
    }
}

/// For each environment, in other families and in its own, the nearest. Half a million pairs take well under a second.
pub(super) fn nearest(names: &[&str], prints: &[&Print]) -> Vec<(Nearest, Nearest)> {
    let mut ids: BTreeMap<&str, u64> = BTreeMap::new();
    let mut tools: Vec<Vec<u64>> = Vec::with_capacity(prints.len());
    for print in prints {
        let mut own: Vec<u64> = Vec::with_capacity(print.tools.len());
        for tool in &print.tools {
            let next = ids.len() as u64;
            own.push(*ids.entry(tool).or_insert(next));
        }
        own.sort_unstable();
        own.dedup();
        tools.push(own);
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut rows = vec![Row::default(); prints.len()];
        loop {
            let left = next.fetch_add(1, Memory::Relaxed);
            if left >= prints.len() {
                return rows;
            }
            for right in left + 1..prints.len() {
                let (one, other) = (&prints[left].shapes, &prints[right].shapes);
                let similar = [
                    jaccard(&tools[left], &tools[right]),
                    jaccard(&one.tables, &other.tables),
                    jaccard(&one.statements, &other.statements),
                ];
                let same = prints[left].family == prints[right].family;
                for (measure, similarity) in similar.into_iter().enumerate() {
                    rows[left].best(same)[measure].offer(similarity, right);
                    rows[right].best(same)[measure].offer(similarity, left);
                }
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut rows = vec![Row::default(); prints.len()];
    let found: Vec<Vec<Row>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    for (row, found) in found.iter().flat_map(|found| found.iter().enumerate()) {
        for measure in 0..3 {
            rows[row].other[measure].merge(found.other[measure]);
            rows[row].same[measure].merge(found.same[measure]);
        }
    }
    let neighbour =
        |best: Best| best.0.map(|(similarity, index)| Neighbour { name: names[index].to_owned(), similarity });
    let of = |[tool_names, schema, programs]: [Best; 3]| Nearest {
        tool_names: neighbour(tool_names),
        schema: neighbour(schema),
        programs: neighbour(programs),
    };
    rows.into_iter().map(|row| (of(row.other), of(row.same))).collect()
}

/// What both sorted lists have of what either has, each as often as it occurs; 0 where both are empty.
#[expect(clippy::cast_precision_loss, reason = "lists are short")]
fn jaccard(left: &[u64], right: &[u64]) -> f64 {
    let (mut at, mut to, mut both) = (0, 0, 0_usize);
    while let (Some(one), Some(other)) = (left.get(at), right.get(to)) {
        match one.cmp(other) {
            Ordering::Less => at += 1,
            Ordering::Greater => to += 1,
            Ordering::Equal => {
                (at, to, both) = (at + 1, to + 1, both + 1);
            }
        }
    }
    let either = left.len() + right.len() - both;
    if either == 0 { 0.0 } else { both as f64 / either as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finds_its_nearest_in_both_kinds_of_families() {
        let print = |family: &str, tools: &[&str]| Print {
            family: family.to_owned(),
            tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
            shapes: Shapes { tables: vec![1, 1, 2], statements: vec![3] },
        };
        let prints = [
            print("shop", &["a", "b", "c", "d"]),
            print("shop", &["a", "b", "c", "e"]),
            print("bank", &["a", "x"]),
            print("club", &["y"]),
        ];
        let found = nearest(&["shop_1", "shop_2", "bank_1", "club_1"], &prints.iter().collect::<Vec<_>>());
        let names = |nearest: &Nearest| nearest.tool_names.as_ref().map(|found| (found.name.clone(), found.similarity));
        assert_eq!(names(&found[0].1), Some(("shop_2".to_owned(), 0.6)));
        assert_eq!(names(&found[0].0), Some(("bank_1".to_owned(), 0.2)));
        assert_eq!(names(&found[2].1), None);
        assert_eq!(names(&found[2].0), Some(("shop_1".to_owned(), 0.2)));
        assert!((jaccard(&[1, 1, 2], &[1, 2, 2]) - 0.5).abs() < 1e-9);
    }
}
