//! Choosing a variant of a blueprint: features, constants, style.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Model;
use super::rng::Rng;
use super::style::Style;
use super::template::Filling;

/// Fewest and most tools of a variant. Packages may have up to 40; the room above is for blueprints whose parts don't fit
/// together more closely.
pub(crate) const TOOLS_MIN: usize = 34;
const TOOLS_AIM_MAX: usize = 37;
pub(crate) const TOOLS_MAX: usize = 40;

/// Smallest share of tools that come from the blueprint itself.
const OWN_SHARE_MIN: f64 = 0.6;

/// Fewest tables of a variant.
pub(crate) const TABLES_MIN: usize = 14;

/// Selections of features that are tried.
const TRIES_MAX: usize = 400;

/// Whether variants must have the size that environments should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// They must.
    Whole,
    /// A draft may be smaller.
    Draft,
}

/// One variant.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    /// Its number among the variants of its blueprint, from 0.
    pub number: u32,
    /// What fills the holes of texts.
    pub filling: Filling,
    /// The style of its tools.
    pub style: Style,
    /// Randomness of this variant.
    pub rng: Rng,
}

impl Variant {
    /// Draws the variant of this number; the reason where no selection of features fits.
    pub(crate) fn draw(model: &Model, number: u32, attempt: u32, size: Sizes, rng: &Rng) -> Result<Self, String> {
        let rng = rng.fork(&format!("{number}.{attempt}"));
        let features = features(model, size, &mut rng.fork("features"))?;
        let mut of_constants = rng.fork("constants");
        let mut constants = BTreeMap::new();
        for (name, values) in &model.constants {
            if let Some(value) = of_constants.fork(name).pick(values) {
                constants.insert(name.clone(), value.clone());
            }
        }
        of_constants.draw();
        let known = model.features.keys().cloned().collect();
        let style = Style::draw(&mut rng.fork("style"));
        Ok(Self { number, filling: Filling { constants, features, known }, style, rng })
    }
}

impl Variant {
    /// The same with other data and tasks.
    pub(crate) fn redrawn(&self, time: u32) -> Self {
        Self { rng: self.rng.fork(&format!("again {time}")), ..self.clone() }
    }
}

/// Size of a selection of features.
struct Size {
    tools: usize,
    own: usize,
    tables: usize,
}

fn size(model: &Model, features: &BTreeSet<String>) -> Size {
    let filling = Filling { features: features.clone(), ..Filling::default() };
    let tools = model.tools.values().filter(|tool| filling.holds(&tool.condition));
    let (mut count, mut own) = (0, 0);
    for tool in tools {
        count += 1;
        own += usize::from(tool.place.module.is_none());
    }
    let tables = model.entities.values().filter(|entity| filling.holds(&entity.condition)).count();
    Size { tools: count, own, tables }
}

/// A random selection that has as many tools and tables as an environment should have.
fn features(model: &Model, sizes: Sizes, rng: &mut Rng) -> Result<BTreeSet<String>, String> {
    let always: BTreeSet<String> =
        model.features.iter().filter(|(_, item)| item.value.always).map(|(name, _)| name.clone()).collect();
    let mut names: Vec<&String> = model.features.keys().filter(|name| !always.contains(*name)).collect();
    let mut second_best = None;
    let mut seen = Vec::new();
    for _ in 0..TRIES_MAX {
        rng.shuffle(&mut names);
        let mut chosen = always.clone();
        for name in &names {
            let aim = rng.between(TOOLS_MIN as i64, TOOLS_AIM_MAX as i64) as usize;
            if size(model, &chosen).tools >= aim {
                break;
            }
            add(model, name, &mut chosen);
        }
        let size = size(model, &chosen);
        let fits = size.tools >= TOOLS_MIN
            && size.tools <= TOOLS_MAX
            && size.own as f64 >= size.tools as f64 * OWN_SHARE_MIN
            && size.tables >= TABLES_MIN;
        if fits && size.tools <= TOOLS_AIM_MAX {
            return Ok(chosen);
        }
        if fits || (sizes == Sizes::Draft && size.tools <= TOOLS_MAX) {
            second_best.get_or_insert(chosen);
        }
        seen.push(format!("{} tools ({} own), {} tables", size.tools, size.own, size.tables));
    }
    seen.sort();
    seen.dedup();
    let shown = seen.iter().step_by(seen.len().div_ceil(6).max(1)).cloned().collect::<Vec<_>>().join("; ");
    second_best.ok_or_else(|| {
        format!(
            "no selection of features and modules gives {TOOLS_MIN} to {TOOLS_MAX} tools, {:.0} % of them its own, and \
             {TABLES_MIN} tables; tried for example: {shown}",
            OWN_SHARE_MIN * 100.0
        )
    })
}

/// Adds a feature with what it needs, unless something there excludes it.
fn add(model: &Model, name: &str, chosen: &mut BTreeSet<String>) {
    let mut wanted = vec![name.to_owned()];
    let mut all = BTreeSet::new();
    while let Some(next) = wanted.pop() {
        if let Some(feature) = model.features.get(&next)
            && all.insert(next)
        {
            wanted.extend(feature.value.needs.0.iter().cloned());
        }
    }
    let excluded = |one: &str, other: &str| {
        model.features.get(one).is_some_and(|feature| feature.value.excludes.0.iter().any(|name| name == other))
    };
    let clash = all.iter().any(|new| chosen.iter().any(|old| excluded(new, old) || excluded(old, new)));
    if !clash {
        chosen.extend(all);
    }
}
