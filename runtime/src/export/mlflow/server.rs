//! Which server this is and what it can do.

use std::fmt;
use std::time::Duration;

use reqwest::Method;

use super::{Mlflow, Trouble};
use crate::error::{Error, Kind};
use crate::export::http::{Failure, Request};

/// For the whole probe.
const PROBE: Duration = Duration::from_secs(2);

/// What the probe found. Versions are `major * 1000 + minor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    version: Option<(u32, String)>,
}

impl Server {
    #[cfg(test)]
    pub(crate) fn of_version(text: &str) -> Self {
        Self { version: parsed(text) }
    }

    /// The version as the server gives it; `None` where a gateway hides it.
    pub(crate) fn version(&self) -> Option<&str> {
        self.version.as_ref().map(|(_, text)| text.as_str())
    }

    fn is_at_least(&self, major: u32, minor: u32) -> bool {
        self.version.as_ref().is_none_or(|(version, _)| *version >= major * 1000 + minor)
    }

    /// Whether a span sent twice counts once.
    pub(crate) fn upserts_usage(&self) -> bool {
        self.is_at_least(3, 15)
    }

    /// Whether a header on the spans links their traces to a run.
    pub(crate) fn links_runs_by_header(&self) -> bool {
        self.is_at_least(3, 14)
    }

    /// Whether name, tags, session, user and usage of a trace are taken from its spans.
    pub(crate) fn reads_trace_from_spans(&self) -> bool {
        self.is_at_least(3, 13)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version() {
            Some(version) => write!(f, "MLflow {version}"),
            None => f.write_str("MLflow of unknown version"),
        }
    }
}

fn parsed(text: &str) -> Option<(u32, String)> {
    let text = text.trim();
    let mut parts = text.split('.');
    let major: u32 = parts.next()?.parse().ok()?;
    let minor: u32 = parts.next()?.parse().ok()?;
    (text.len() < 40 && minor < 1000).then(|| (major * 1000 + minor, text.to_owned()))
}

/// A version that is taken can be compared and shown.
#[cfg(all(any(test, fuzzing), not(loom)))]
pub(super) fn fuzzing(body: &str) {
    let server = Server { version: parsed(body) };
    assert!(server.version().is_none_or(|version| version.len() < 40));
    is_server_info(body);
}

/// Whether this is what MLflow says of itself where the version is hidden.
fn is_server_info(body: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(body).is_ok_and(|info| info["store_type"].is_string())
}

impl Mlflow {
    /// Asks the server what it is; gives up after 2 s.
    pub(crate) async fn probe(&self) -> Result<Server, Trouble> {
        let asked = tokio::time::timeout(PROBE, self.ask_version()).await.unwrap_or_else(|_| {
            Err(Failure {
                operation: "reach the server",
                detail: format!("no answer within {} s", PROBE.as_secs()),
                timed_out: true,
                ..Failure::default()
            })
        });
        let server = Server { version: asked? };
        if server.is_at_least(3, 6) {
            return Ok(server);
        }
        Err(Error::new(
            Kind::Unsupported,
            format!(
                "{server} at {} takes no traces of this kind; run MLflow 3.6 or newer, best 3.15 or newer",
                self.base()
            ),
        )
        .into())
    }

    async fn ask_version(&self) -> Result<Option<(u32, String)>, Failure> {
        // Health needs no login, so it tells a server that is away from one that does not know us.
        match self.ask("/health").await {
            Err(failure) if failure.status.is_none() || failure.status.is_some_and(|status| status >= 500) => {
                return Err(failure);
            }
            _ => {}
        }
        match self.ask("/version").await {
            Ok(body) if parsed(&body).is_some() => Ok(parsed(&body)),
            Err(failure) if !matches!(failure.status, Some(404 | 405)) => Err(failure),
            // A gateway in between, or something that is no MLflow at all.
            _ => self.ask("/api/3.0/mlflow/server-info").await.and_then(|body| {
                if is_server_info(&body) { Ok(None) } else { Err(super::unexpected("reach the server")) }
            }),
        }
    }

    async fn ask(&self, path: &str) -> Result<String, Failure> {
        let request = Request { method: Method::GET, path: path.to_owned(), ..Request::default() };
        let body = self.http.send("reach the server", request).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_can_do_follows_from_its_version() {
        let can = |version: &str| {
            let server = Server::of_version(version);
            [
                server.is_at_least(3, 6),
                server.reads_trace_from_spans(),
                server.links_runs_by_header(),
                server.upserts_usage(),
            ]
        };
        assert_eq!(can("2.22.1"), [false, false, false, false]);
        assert_eq!(can("3.6.0"), [true, false, false, false]);
        assert_eq!(can("3.13.0rc1"), [true, true, false, false]);
        assert_eq!(can("3.14.2"), [true, true, true, false]);
        assert_eq!(can("3.17.2\n"), [true, true, true, true]);
        assert_eq!(can("4.0.0.dev0"), [true, true, true, true]);
        assert_eq!(Server::of_version("<html>").version(), None);
    }
}
