//! Which hosts a request may be addressed to and which origins it may come from.
//!
//! A web page can make a browser send requests to a server on the same machine, directly or through a name that it lets
//! resolve to 127.0.0.1 (DNS rebinding). So every route answers only where the request names a host we go by, and where
//! its origin, if it has one, is one we know (MCP specification 2026-07-28, Streamable HTTP, security).

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Front;
use super::error::{ApiError, Code};
use crate::config::HttpSettings;

/// Names under which a machine reaches itself.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A host with or without a port; without one it stands for every port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: Option<u16>,
}

impl Place {
    fn parse(authority: &str) -> Option<Self> {
        let authority = Authority::try_from(authority).ok()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host();
        if host.is_empty() {
            return None;
        }
        // "name:99999" and "name:" are no hosts; `Authority` lets both through.
        let port = match authority.as_str().get(host.len()..) {
            None | Some("") => None,
            Some(_) => Some(authority.port_u16()?),
        };
        Some(Self { host: plain_host(host), port })
    }

    fn covers(&self, other: &Self) -> bool {
        self.host == other.host && (self.port.is_none() || self.port == other.port)
    }
}

/// Lowercase, without the brackets of an IPv6 address and the dot after a full name.
fn plain_host(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// An origin of a web page: `scheme://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    place: Place,
}

impl Origin {
    fn parse(origin: &str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let place = Place::parse(authority)?;
        Some(Self { scheme: scheme.to_ascii_lowercase(), place })
    }
}

/// Whether a text is a host that a request can be addressed to, with or without a port.
pub(super) fn is_host(text: &str) -> bool {
    Place::parse(text).is_some()
}

/// Whether a text is the origin of a web page.
pub(super) fn is_origin(text: &str) -> bool {
    Origin::parse(text).is_some()
}

/// The hosts and origins that requests may name.
#[derive(Debug)]
pub(super) struct Guard {
    hosts: Vec<Place>,
    origins: Vec<Origin>,
    any_address_allowed: bool,
}

impl Guard {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        let loopback = LOOPBACK_HOSTS.iter().map(|host| Place { host: (*host).to_owned(), port: None });
        let given = settings.allowed_hosts.iter().filter_map(|host| Place::parse(host));
        Self {
            hosts: loopback.chain(given).collect(),
            origins: settings.allowed_origins.iter().filter_map(|origin| Origin::parse(origin)).collect(),
            any_address_allowed: settings.any_address_allowed,
        }
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        self.check_host(uri, headers)?;
        self.check_origin(headers)
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(ApiError::new(Code::HostRefused, "a request names exactly one Host"));
        };
        // A request to an absolute URL names its host twice, and the URL's counts (RFC 9112, 3.2.2): check both.
        let named = [host.to_str().ok(), uri.authority().map(Authority::as_str)];
        let allowed = named[0].is_some() && named.into_iter().flatten().all(|host| self.allows_host(host));
        if allowed {
            Ok(())
        } else {
            Err(ApiError::new(
                Code::HostRefused,
                "this Host is not served here; use the address that `serve` printed, or start it with --allowed-host",
            ))
        }
    }

    fn allows_host(&self, host: &str) -> bool {
        Place::parse(host).is_some_and(|place| {
            self.hosts.iter().any(|allowed| allowed.covers(&place))
                || (self.any_address_allowed && place.host.parse::<IpAddr>().is_ok())
        })
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let allowed = headers.get_all(header::ORIGIN).iter().all(|origin| {
            origin.to_str().ok().and_then(Origin::parse).is_some_and(|origin| {
                LOOPBACK_HOSTS.contains(&origin.place.host.as_str())
                    || self
                        .origins
                        .iter()
                        .any(|allowed| allowed.scheme == origin.scheme && allowed.place.covers(&origin.place))
            })
        });
        if allowed {
            Ok(())
        } else {
            Err(ApiError::new(
                Code::OriginRefused,
                "requests from this Origin are refused; start `serve` with --allowed-origin to accept them",
            ))
        }
    }
}

/// Refuses requests that the guard or `auth` don't let through, and answers none that changes something before that is as durable as
/// was asked for; stands before every route.
pub(super) async fn check(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let json_rpc = super::speaks_json_rpc(request.uri());
    let changes = request.method() != Method::GET;
    let checked = front.guard.check(request.uri(), request.headers());
    let refused = match checked.and_then(|()| front.auth.admit(&mut request)) {
        Ok(()) => {
            let response = next.run(request).await;
            match front.farm.settled().await {
                Err(err) if changes => ApiError::from(err),
                Ok(()) | Err(_) => return response,
            }
        }
        Err(error) => error,
    };
    if json_rpc { refused.into_json_rpc(None) } else { refused.into_response() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(any_address_allowed: bool) -> Guard {
        Guard::new(&HttpSettings {
            allowed_hosts: vec!["farm.example".to_owned(), "other.example:8080".to_owned()],
            allowed_origins: vec!["https://ui.example".to_owned()],
            any_address_allowed,
            ..HttpSettings::default()
        })
    }

    #[test]
    fn hosts() {
        let guard = guard(false);
        for good in ["localhost", "LOCALHOST:1", "127.0.0.1:8700", "[::1]:8700", "farm.example.", "other.example:8080"]
        {
            assert!(guard.allows_host(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "other.example",
            "other.example:81",
            "localhost:",
            "localhost:99999",
            "evil@localhost",
            "localhost/x",
            "10.0.0.1",
            "[::2]",
        ] {
            assert!(!guard.allows_host(bad), "{bad}");
        }
    }

    #[test]
    fn any_address() {
        let guard = guard(true);
        assert!(guard.allows_host("10.0.0.1:8700"));
        assert!(guard.allows_host("[fd00::1]"));
        assert!(!guard.allows_host("evil.example"));
    }

    #[test]
    fn origins() {
        let check = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, axum::http::HeaderValue::from_static(origin));
            guard(false).check_origin(&headers).is_ok()
        };
        for good in ["http://localhost:6274", "https://127.0.0.1", "http://[::1]:80", "https://ui.example:8443"] {
            assert!(check(good), "{good}");
        }
        for bad in
            ["null", "http://ui.example", "https://evil.example", "localhost", "", "http://localhost.evil.example"]
        {
            assert!(!check(bad), "{bad}");
        }
    }
}
