//! A farm's metrics, fetched and read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ureq::Agent;

use crate::cli::Failure;

/// How long an answer may take: a server that is that slow is one to be told about.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Largest exposition: a thousand environments that are all used have some 4 MiB.
const EXPOSITION_BYTES_MAX: u64 = 64 << 20;

/// Asks a farm for its metrics.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    url: String,
    token: Option<String>,
}

impl Client {
    /// A client for the farm at `url`, with the token in `file`, else the one from the environment.
    ///
    /// # Errors
    /// The URL can't be used or the file not read.
    pub(super) fn new(url: &str, file: Option<&Path>, token: Option<&str>) -> Result<Self, Failure> {
        if !url.starts_with("http://") {
            return Err(Failure::usage(format!(
                "--url {url}: expected a URL as in http://127.0.0.1:8700; a farm behind TLS is watched through a tunnel"
            )));
        }
        let read = |path: &Path| {
            let text = fs::read_to_string(path);
            text.map_err(|err| Failure::usage(format!("failed to read {}: {err}", path.display())))
        };
        let token = file.map(read).transpose()?.or_else(|| token.map(str::to_owned));
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::usage("the token has characters that no token has"));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            // A token must not travel through a proxy that happens to be set for the web.
            .proxy(None)
            .build();
        Ok(Self { agent: config.into(), url: url.trim_end_matches('/').to_owned(), token })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The metrics of now.
    ///
    /// # Errors
    /// What is wrong, for a person: the server isn't there, wants a token, or isn't envfarm's.
    pub(super) fn scrape(&self) -> Result<Exposition, String> {
        let url = format!("{}/metrics", self.url);
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().map_err(|err| self.unreachable(&err))?;
        match response.status().as_u16() {
            200 => {}
            401 if self.token.is_none() => {
                return Err(format!(
                    "{} asks for a token: set ENVFARM_ADMIN_TOKEN or name a file with --token-file",
                    self.url
                ));
            }
            401 => return Err(format!("{} doesn't know this token", self.url)),
            403 => return Err(format!("{} takes the admin token only, or doesn't go by this name", self.url)),
            404 => return Err(format!("{} has no metrics; is it envfarm?", self.url)),
            status => return Err(format!("{url} answered {status}")),
        }
        let body = response.body_mut().with_config().limit(EXPOSITION_BYTES_MAX).read_to_string();
        let text = body.map_err(|err| self.unreachable(&err))?;
        let exposition = Exposition::read(&text);
        if exposition.value("process_start_time_seconds", &[]).is_none() || !text.contains("envfarm_build_info") {
            return Err(format!("{url} isn't envfarm's"));
        }
        Ok(exposition)
    }

    fn unreachable(&self, err: &ureq::Error) -> String {
        let url = &self.url;
        match err {
            ureq::Error::Timeout(_) => format!("{url} didn't answer within {} s", TIMEOUT.as_secs()),
            ureq::Error::Io(err) if err.kind() == std::io::ErrorKind::ConnectionRefused => {
                format!("nothing listens at {url}; `envfarm serve` starts a farm, --url names another")
            }
            err => format!("failed to reach {url}: {err}"),
        }
    }
}

/// The series of a text exposition, as far as they are envfarm's.
#[derive(Debug, Clone)]
pub(super) struct Exposition {
    /// When it was read.
    pub at: Instant,
    /// By the metric's name.
    series: BTreeMap<String, Vec<Series>>,
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Series {
    labels: Vec<(String, String)>,
    pub value: f64,
}

impl Series {
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }

    /// True where it has all of these labels.
    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == Some(value))
    }
}

impl Exposition {
    /// Reads an exposition; lines that can't be read are left out.
    pub(super) fn read(text: &str) -> Self {
        let mut series: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, read)) = line.rsplit_once(' ').and_then(|(name, value)| {
                let value = value.parse().ok()?;
                let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
                Some((name, Series { labels: read_labels(labels)?, value }))
            }) else {
                continue;
            };
            series.entry(name.to_owned()).or_default().push(read);
        }
        Self { at: Instant::now(), series }
    }

    /// All series of a metric.
    pub(super) fn all(&self, name: &str) -> &[Series] {
        self.series.get(name).map_or(&[], Vec::as_slice)
    }

    /// The sum of the series with these labels; none where there are none.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self.all(name).iter().filter(|series| series.has(labels)).map(|series| series.value).peekable();
        found.peek()?;
        Some(found.sum())
    }

    /// A histogram's cumulative counts by upper bound, summed over the series with these labels.
    pub(super) fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(f64, f64)> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for series in self.all(&format!("{name}_bucket")).iter().filter(|series| series.has(labels)) {
            let Some(bound) = series.label("le").and_then(|bound| bound.parse::<f64>().ok()) else { continue };
            match buckets.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
                Some((_, count)) => *count += series.value,
                None => buckets.push((bound, series.value)),
            }
        }
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        buckets
    }
}

/// Labels as in `a="b",c="d"}`.
fn read_labels(text: &str) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if rest.starts_with('}') {
            return Some(labels);
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = after.char_indices();
        rest = loop {
            match letters.next()? {
                (at, '"') => break &after[at + 1..],
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name.to_owned(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposition_is_read() {
        let text = "# TYPE a counter\na{x=\"1\",y=\"q\\\"{ }\\n\"} 2\na{x=\"1\",y=\"r\"} 3\nb 1.5e3\nbroken{ 1\n\
                    h_bucket{le=\"0.1\",x=\"1\"} 1\nh_bucket{le=\"+Inf\",x=\"1\"} 2\nh_bucket{le=\"0.1\",x=\"2\"} 4\n";
        let read = Exposition::read(text);
        assert_eq!(read.value("a", &[("x", "1")]), Some(5.0));
        assert_eq!(read.value("a", &[("y", "q\"{ }\n")]), Some(2.0));
        assert_eq!(read.value("a", &[("x", "2")]), None);
        assert_eq!(read.value("b", &[]), Some(1500.0));
        assert_eq!(read.histogram("h", &[]), [(0.1, 5.0), (f64::INFINITY, 2.0)]);
    }
}
