//! HTTP requests by route template and class of status.

use std::sync::OnceLock;
use std::time::Duration;

use super::Histogram;

/// Most routes that are told apart, several times what the server has; what comes later counts as [`OTHER`].
const ROUTES_MAX: usize = 64;

/// The label of requests that no route matched, or for whose route there is no room.
const OTHER: &str = "other";

/// Labels of the classes of status codes.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Latencies by route. Routes are added when they are first used, and a look-up goes through all of them: a dozen comparisons of
/// short texts, without a lock.
#[derive(Debug)]
pub struct Routes {
    slots: [OnceLock<Route>; ROUTES_MAX],
    other: Route,
}

#[derive(Debug)]
struct Route {
    template: Box<str>,
    by_class: [Histogram; CLASSES.len()],
}

impl Default for Routes {
    fn default() -> Self {
        Self { slots: [const { OnceLock::new() }; ROUTES_MAX], other: Route::new(OTHER) }
    }
}

impl Route {
    fn new(template: &str) -> Self {
        Self { template: template.into(), by_class: Default::default() }
    }
}

impl Routes {
    /// Counts a request. `template` is a route as the router has it, never a path that somebody sent; none where none matched.
    pub fn answered(&self, template: Option<&str>, status: u16, took: Duration) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        self.route(template).by_class[class].observe(took);
    }

    fn route(&self, template: Option<&str>) -> &Route {
        let Some(template) = template else { return &self.other };
        let known = self.slots.iter().map(|slot| slot.get_or_init(|| Route::new(template)));
        known.into_iter().find(|route| *route.template == *template).unwrap_or(&self.other)
    }

    /// What was counted, by template and class.
    pub(super) fn used(&self) -> impl Iterator<Item = (&str, &'static str, &Histogram)> {
        let routes = self.slots.iter().map_while(OnceLock::get).chain([&self.other]);
        routes.flat_map(|route| {
            let classes = CLASSES.iter().zip(&route.by_class);
            classes.map(|(class, histogram)| (&*route.template, *class, histogram))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_apart_up_to_a_limit() {
        let routes = Routes::default();
        for number in 0..2 * ROUTES_MAX {
            routes.answered(Some(&format!("/{number}")), 200, Duration::ZERO);
        }
        routes.answered(Some("/0"), 404, Duration::ZERO);
        routes.answered(None, 999, Duration::ZERO);
        let count = |template: &str, class: &str| {
            let found = routes.used().find(|used| used.0 == template && used.1 == class);
            found.map(|(_, _, histogram)| histogram.counts().count)
        };
        assert_eq!((count("/0", "2xx"), count("/0", "4xx"), count("/63", "2xx")), (Some(1), Some(1), Some(1)));
        assert_eq!((count("/64", "2xx"), count(OTHER, "2xx")), (None, Some(ROUTES_MAX as u64)));
        assert_eq!(count(OTHER, "5xx"), Some(1));
    }
}
