//! The checks, in the order in which they build on each other.

use spanwright::config::{Destination, StorePlace};
use spanwright::store::{Statistics, Store};

use super::Check;
use crate::place::Place;
use crate::text;

/// Settings that cannot be used, and the kill switch.
pub fn configuration(place: &Place) -> Check {
    const NAME: &str = "configuration";
    let disabled = &place.config.disabled;
    if disabled.value {
        let by = super::source(&disabled.source);
        return Check::failed(
            NAME,
            format!("tracing is switched off ({by})"),
            Some("unset MLFLOW_DISABLE_TRACES".into()),
        );
    }
    match place.warnings.as_slice() {
        [] => Check::ok(NAME, "every setting can be used"),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            Check::warning(NAME, format!("{first}{more}"), "correct it; its default is used meanwhile")
        }
    }
}

/// The store: whether it opens, what is in it, what was given up.
pub fn store(place: &Place) -> (Vec<Check>, Option<Statistics>) {
    const NAME: &str = "store";
    if place.config.store.value == StorePlace::Off {
        let off = Check::warning(
            NAME,
            "SPANWRIGHT_STORE=off: spans are kept in memory and go with the process",
            "unset it to keep them until they are delivered",
        );
        return (vec![off], None);
    }
    match place.store() {
        Ok(Some(store)) => stored(&store),
        Ok(None) => {
            let folder = place.folder().unwrap_or_default();
            (vec![Check::ok(NAME, format!("none yet; the first traced program makes {}", folder.display()))], None)
        }
        Err(failure) => {
            let remedy = "make the folder writable for you, or set SPANWRIGHT_STORE to one that is";
            (vec![Check::failed(NAME, failure.to_string(), Some(remedy.into()))], None)
        }
    }
}

fn stored(store: &Store) -> (Vec<Check>, Option<Statistics>) {
    let statistics = match store.statistics() {
        Ok(statistics) => statistics,
        Err(error) => {
            let remedy = "move the folder away; a new store is made, and nothing that was delivered is lost";
            return (vec![Check::failed("store", format!("{error:#}"), Some(remedy.into()))], None);
        }
    };
    let path = statistics.path.as_deref().unwrap_or(std::path::Path::new("memory"));
    let counts = statistics.stored;
    let mut checks = vec![Check::ok(
        "store",
        format!(
            "{}: {}, {} in {}",
            path.display(),
            text::size(statistics.bytes),
            text::count(counts.spans, "span"),
            text::count(counts.traces, "trace"),
        ),
    )];
    checks.extend(store.notices().iter().map(|notice| {
        Check::warning("store", notice.clone(), "see that it lies on a local disk and is changed by nobody else")
    }));
    checks.extend(backlog(&statistics));
    if statistics.evicted.spans > 0 {
        checks.push(Check::warning(
            "evicted",
            format!(
                "{} that had not been delivered were given up for space",
                text::count(statistics.evicted.spans, "span")
            ),
            "deliver more often, or raise SPANWRIGHT_STORE_MAX_BYTES",
        ));
    }
    (checks, Some(statistics))
}

/// What waits, for each destination.
fn backlog(statistics: &Statistics) -> Vec<Check> {
    let mut checks = Vec::new();
    for backlog in &statistics.backlog {
        let Some(destination) = &backlog.destination else { continue };
        if backlog.pending.spans > 0 {
            let waiting = text::count(backlog.pending.spans, "span");
            checks.push(Check::warning(
                "delivery",
                format!("{waiting} wait for {destination}"),
                format!("`spanwright push --to {destination}` delivers them"),
            ));
        }
        if backlog.rejected.spans > 0 {
            let refused = text::count(backlog.rejected.spans, "span");
            checks.push(Check::warning(
                "delivery",
                format!("{destination} refused {refused} for good"),
                "`spanwright tree TRACE` says why",
            ));
        }
    }
    checks
}

/// The server, its experiment, and a trace sent there and read back. Also says in one line what works if nothing failed.
pub fn server(place: &Place) -> (Vec<Check>, String) {
    match &place.config.destination.value {
        Destination::StoreOnly => {
            let detail = "none configured: traces stay in the store";
            let works =
                "traces are recorded and stay in the store; set MLFLOW_TRACKING_URI=http://… to see them in MLflow";
            (vec![Check::skipped("server", detail)], works.into())
        }
        Destination::Unsupported(uri) => {
            let remedy = format!(
                "run `mlflow server --backend-store-uri {uri}`, set MLFLOW_TRACKING_URI to its address, then `spanwright push`"
            );
            let failed =
                Check::failed("server", format!("`{uri}` is no server: traces stay in the store"), Some(remedy));
            (vec![failed], String::new())
        }
        Destination::Http(uri) => unimplemented!("{uri}"),
    }
}
