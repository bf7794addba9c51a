//! A histogram of durations made of atomics. The crate's own takes a lock for each observation, which all workers would share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in microseconds, 10 us to 10 s: a call takes 10 to 50 us, a verdict up to some milliseconds, and
/// the deadline of a call is 10 s. Three to a decade tell a p99 to within a factor of 2.5.
pub(super) const BOUNDS_US: [u64; 19] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Durations, counted by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    /// By upper bound; the last for what exceeds all of them.
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// A histogram at one moment, as an exposition has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counts {
    /// Upper bound in seconds and observations in that bucket alone.
    pub buckets: Vec<(f64, u64)>,
    /// All observations.
    pub count: u64,
    /// Their sum in seconds.
    pub sum_s: f64,
}

impl Histogram {
    /// Counts a duration.
    pub fn observe(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound * 1_000 < nanoseconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What was counted so far. The count is that of the buckets, so that the two always agree.
    pub(super) fn counts(&self) -> Counts {
        let bounds = BOUNDS_US.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        let counted = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counted).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum_s = Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)).as_secs_f64();
        Counts { buckets, count, sum_s }
    }
}

/// The decimal fraction that the bound is, for `1e-05` and not `0.000009999999`.
fn seconds(bound_us: u64) -> f64 {
    // Exact up to 2^53, and correctly rounded by the division.
    bound_us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for nanoseconds in [0, 10_000, 10_001, 25_000, 10_000_000_000, 10_000_000_001] {
            histogram.observe(Duration::from_nanos(nanoseconds));
        }
        let counts = histogram.counts();
        assert_eq!(counts.buckets[0], (0.000_01, 2));
        assert_eq!(counts.buckets[1], (0.000_025, 2));
        assert_eq!(counts.buckets[18], (10.0, 1));
        assert_eq!(counts.buckets[19], (f64::INFINITY, 1));
        assert_eq!(counts.count, 6);
        assert!((counts.sum_s - 20.000_045_002).abs() < 1e-9);
    }
}
