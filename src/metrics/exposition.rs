//! Everything that is counted in Prometheus' text exposition format, version 0.0.4. The format and its escaping are
//! prometheus_client's; what is never zero or never was used comes from here.

use std::fmt;
use std::fs;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::histogram::Counts;
use super::{EnvironmentMetrics, Metrics, Outcome, STATES};

/// Content-Type of an exposition.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a [`Sample`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows; its name gets `_total` at the end.
    Counter,
    /// A number as it is now.
    Gauge,
}

/// A number that isn't kept here and is asked for at a scrape.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Its name, without `envfarm_`.
    pub name: &'static str,
    /// What it is, as a sentence without its full stop.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// Its value.
    pub value: u64,
}

/// What only the asker knows of.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// Every configured limit.
    pub limits: Vec<(&'static str, u64)>,
    /// Numbers that others keep.
    pub samples: Vec<Sample>,
}

impl Metrics {
    /// Everything, as text.
    pub fn exposition(self: &Arc<Self>, scrape: Scrape) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Page { metrics: Arc::clone(self), scrape }));
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = prometheus_text::encode(&mut text, &registry);
        text
    }
}

#[derive(Debug)]
struct Page {
    metrics: Arc<Metrics>,
    scrape: Scrape,
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Writer { encoder };
        self.environments(&mut page)?;
        self.farm(&mut page)?;
        self.process(&mut page)?;
        for sample in &self.scrape.samples {
            let Sample { name, help, kind, value } = sample;
            match kind {
                Kind::Counter => page.counter(name, help, *value)?,
                Kind::Gauge => page.gauge(name, help, *value)?,
            }
        }
        Ok(())
    }
}

impl Page {
    /// Those that have been used; the others would be a page of zeros for each.
    fn used(&self) -> impl Iterator<Item = (&str, &EnvironmentMetrics)> {
        let environments = self.metrics.environments.iter();
        let environments = environments.map(|(name, environment)| (name.as_ref(), &**environment));
        environments.filter(|(_, environment)| {
            let made = environment.created.get() + environment.forks.get();
            made > 0 || environment.call_seconds.counts().count > 0
        })
    }

    fn environments(&self, page: &mut Writer<'_>) -> fmt::Result {
        page.counters("calls", "Tool calls", |add| {
            for (name, environment) in self.used() {
                for outcome in Outcome::ALL {
                    add(&[("environment", name), ("outcome", outcome.as_str())], environment.calls(outcome))?;
                }
            }
            Ok(())
        })?;
        page.histograms("call_duration_seconds", "How long tool calls took", |add| {
            self.used()
                .try_for_each(|(name, environment)| add(&[("environment", name)], &environment.call_seconds.counts()))
        })?;
        type Count = fn(&EnvironmentMetrics) -> u64;
        let by_environment: [(&str, &str, Count); 3] = [
            ("episodes_created", "Episodes created, forks not included", |environment| environment.created.get()),
            ("episodes_forked", "Episodes made as copies of others", |environment| environment.forks.get()),
            ("episodes_reset", "Episodes set back to their start", |environment| environment.resets.get()),
        ];
        for (name, help, value) in by_environment {
            page.counters(name, help, |add| {
                self.used().try_for_each(|(name, environment)| add(&[("environment", name)], value(environment)))
            })?;
        }
        page.counters("episodes_ended", "Episodes that ended, by how", |add| {
            for (name, environment) in self.used() {
                for (state, ended) in STATES.iter().zip(&environment.ended).skip(1) {
                    add(&[("environment", name), ("state", *state)], ended.get())?;
                }
            }
            Ok(())
        })?;
        page.counters("verdicts", "Verdicts, by whether the reward is 1.0, less, or none", |add| {
            for (name, environment) in self.used() {
                let EnvironmentMetrics { passed, failed, unrewarded, .. } = environment;
                for (reward, count) in [("passed", passed), ("failed", failed), ("none", unrewarded)] {
                    add(&[("environment", name), ("reward", reward)], count.get())?;
                }
            }
            Ok(())
        })
    }

    fn farm(&self, page: &mut Writer<'_>) -> fmt::Result {
        let metrics = &self.metrics;
        page.gauges("episodes", "Episodes held now, by state", |add| {
            let states = STATES.iter().enumerate();
            states.into_iter().try_for_each(|(index, state)| add(&[("state", *state)], metrics.held(index)))
        })?;
        page.counter("episodes_expired", "Episodes that expired", metrics.expired.get())?;
        page.counter("episodes_removed", "Episodes that were closed or made room for others", metrics.removed.get())?;
        page.counter("episodes_woken", "Episodes that were rebuilt from the journal", metrics.woken.get())?;
        let overlay_bytes = metrics.overlay_bytes.get();
        page.gauge("overlay_bytes", "Bytes of the pages that episodes have written", overlay_bytes)?;
        page.counter("environment_loads", "Environments that were loaded", metrics.environments_loaded.get())?;
        let evicted = metrics.environments_evicted.get();
        page.counter("environment_evictions", "Environments that were let go of", evicted)?;
        page.histograms("http_request_duration_seconds", "How long HTTP requests took", |add| {
            let answered = metrics.routes.used().map(|(route, class, histogram)| (route, class, histogram.counts()));
            answered
                .filter(|(_, _, counts)| counts.count > 0)
                .try_for_each(|(route, class, counts)| add(&[("route", route), ("status", class)], &counts))
        })?;
        page.gauges("limit", "Limits as configured, in the unit that the name ends with", |add| {
            let told = metrics.limits.get().into_iter().flatten();
            self.scrape.limits.iter().chain(told).try_for_each(|(name, value)| add(&[("name", *name)], *value))
        })
    }

    fn process(&self, page: &mut Writer<'_>) -> fmt::Result {
        page.gauges("build_info", "Version of envfarm", |add| add(&[("version", env!("CARGO_PKG_VERSION"))], 1))?;
        let started = "Start time of the process since unix epoch in seconds";
        let mut metric = page.metric("process_start_time_seconds", started, MetricType::Gauge)?;
        metric.encode_gauge(&self.metrics.started_s)?;
        if let Some(bytes) = resident_bytes() {
            let resident = "Resident memory size in bytes";
            page.metric("process_resident_memory_bytes", resident, MetricType::Gauge)?.encode_gauge(&bytes)?;
        }
        Ok(())
    }
}

/// Memory of the process that is in RAM; none where the operating system doesn't say it in Linux' way.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// prometheus_client's encoder with less ceremony.
struct Writer<'e> {
    encoder: DescriptorEncoder<'e>,
}

/// Labels of a series.
type Labels<'l> = [(&'static str, &'l str)];

impl Writer<'_> {
    fn metric<'w>(&'w mut self, name: &'w str, help: &str, kind: MetricType) -> Result<MetricEncoder<'w>, fmt::Error> {
        self.encoder.encode_descriptor(name, &format!("{help}."), None, kind)
    }

    fn own<T>(name: &str, write: impl FnOnce(&str) -> T) -> T {
        write(&format!("envfarm_{name}"))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        Self::own(name, |name| count(&mut self.metric(name, help, MetricType::Counter)?, value))
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        Self::own(name, |name| self.metric(name, help, MetricType::Gauge)?.encode_gauge(&value))
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        all: impl FnOnce(&mut dyn FnMut(&Labels<'_>, u64) -> fmt::Result) -> fmt::Result,
    ) -> fmt::Result {
        Self::own(name, |name| {
            let mut metric = self.metric(name, help, MetricType::Counter)?;
            all(&mut |labels, value| count(&mut metric.encode_family(&Of(labels))?, value))
        })
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        all: impl FnOnce(&mut dyn FnMut(&Labels<'_>, u64) -> fmt::Result) -> fmt::Result,
    ) -> fmt::Result {
        Self::own(name, |name| {
            let mut metric = self.metric(name, help, MetricType::Gauge)?;
            all(&mut |labels, value| metric.encode_family(&Of(labels))?.encode_gauge(&value))
        })
    }

    fn histograms(
        &mut self,
        name: &str,
        help: &str,
        all: impl FnOnce(&mut dyn FnMut(&Labels<'_>, &Counts) -> fmt::Result) -> fmt::Result,
    ) -> fmt::Result {
        Self::own(name, |name| {
            let mut metric = self.metric(name, help, MetricType::Histogram)?;
            all(&mut |labels, Counts { buckets, count, sum_s }| {
                metric.encode_family(&Of(labels))?.encode_histogram::<NoLabelSet>(*sum_s, *count, buckets, None)
            })
        })
    }
}

fn count(metric: &mut MetricEncoder<'_>, value: u64) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, u64, f64>(&value, None)
}

/// Labels as the encoder takes them.
struct Of<'l>(&'l Labels<'l>);

impl EncodeLabelSet for Of<'_> {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}
