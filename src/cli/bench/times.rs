//! Times of one operation, and what they come to.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Durations in nanoseconds, to three digits.
#[derive(Debug, Clone)]
pub(super) struct Times {
    histogram: Histogram<u64>,
}

impl Default for Times {
    fn default() -> Self {
        let histogram = Histogram::new(3).unwrap_or_else(|err| unreachable!("three digits are allowed: {err}"));
        Self { histogram }
    }
}

impl Times {
    /// Times one run of `work`.
    pub(super) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.record(started.elapsed());
        result
    }

    pub(super) fn record(&mut self, elapsed: Duration) {
        // It grows as needed, so there is no number that it can't take.
        let _ = self.histogram.record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Takes in the times of another.
    pub(super) fn add(&mut self, other: &Self) {
        // Both have three digits and grow as needed.
        let _ = self.histogram.add(&other.histogram);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    pub(super) fn p50_us(&self) -> f64 {
        self.quantile_us(0.5)
    }

    pub(super) fn p99_us(&self) -> f64 {
        self.quantile_us(0.99)
    }

    fn quantile_us(&self, quantile: f64) -> f64 {
        Duration::from_nanos(self.histogram.value_at_quantile(quantile)).as_secs_f64() * 1e6
    }
}

/// The middle one of some numbers; 0 of none.
pub(super) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
