//! The checks, in the order in which they build on each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use spanwright::COLLECTOR_INTERVAL;
use spanwright::config::{Destination, Experiment, StorePlace};
use spanwright::export::Client;
use spanwright::store::{Statistics, Store};

use super::{Check, Status};
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
        Ok(Some(store)) => {
            let (mut checks, statistics) = stored(&store);
            checks.extend(store.folder().map(|folder| chunks(place, folder)));
            (checks, statistics)
        }
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
    let path = statistics.path.as_deref().unwrap_or(Path::new("memory"));
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
    checks.extend(lost(&statistics));
    checks.extend(damaged(&statistics));
    (checks, Some(statistics))
}

/// What could not be recorded since the store was made, by cause.
fn lost(statistics: &Statistics) -> Vec<Check> {
    let remedy = |cause: &str| match cause {
        "spans" | "values" | "ends" => {
            "the store could not keep up: put it on a faster disk, or keep fewer traces with MLFLOW_TRACE_SAMPLING_RATIO"
        }
        "crowded" => "end spans sooner, or capture less with SPANWRIGHT_CAPTURE",
        "orphaned" => "say what there is to say of a span before it ends",
        "malformed" => "see that nothing else writes to the chunk files",
        _ => "programs were faster than chunk files are made: put SPANWRIGHT_CHUNKS on a faster disk",
    };
    let check =
        |(cause, what, count): (&str, &str, u64)| Check::warning("lost", format!("{count} {what}"), remedy(cause));
    let mut checks: Vec<_> = statistics.lost.happened().map(check).collect();
    let heap = statistics.lost.heap_chunks;
    if heap > 0 {
        let detail = format!(
            "{heap} times no chunk file was ready and the heap served, from which a kill takes the last {} ms",
            COLLECTOR_INTERVAL.as_millis()
        );
        checks.push(Check::ok("heap", detail));
    }
    checks
}

/// What became of stores that were damaged and put aside.
fn damaged(statistics: &Statistics) -> Option<Check> {
    let salvaged = &statistics.salvaged;
    let taken = text::count(salvaged.spans, "undelivered span");
    let unreadable = text::count(salvaged.unreadable, "span");
    (salvaged.files > 0).then(|| {
        Check::warning(
            "damaged",
            format!(
                "{} put aside: {taken} taken over, {unreadable} not readable, {} not to be opened at all",
                text::count(salvaged.files, "damaged store"),
                text::count(salvaged.unopened, "file"),
            ),
            "see that the disk works; remove store.db.corrupt-* when nobody needs it",
        )
    })
}

/// Whether a program traced here would have its spans in files until they are in the store.
fn chunks(place: &Place, folder: &Path) -> Check {
    const NAME: &str = CHUNKS;
    let loss = format!(
        "what ended in the last {} ms, the collector's interval, goes with a program that is killed",
        COLLECTOR_INTERVAL.as_millis()
    );
    let Some(chunks) = place.chunks(folder) else {
        return Check::warning(NAME, format!("SPANWRIGHT_CHUNKS=heap: {loss}"), "unset it to keep them in files");
    };
    let tracing = place.traced(folder);
    let ours = format!("pid {}", std::process::id());
    let is_ours = |process: &PathBuf| {
        std::fs::read_to_string(process.join("lease")).is_ok_and(|lease| lease.lines().any(|line| line == ours))
    };
    let mapped = entries(&chunks).find(is_ours).map_or(0, |process| {
        entries(&process).filter(|file| file.extension().is_some_and(|extension| extension == "chunk")).count()
    });
    drop(tracing);
    if mapped > 0 {
        return Check::ok(
            NAME,
            format!(
                "in mapped files below {}: a program that is killed loses nothing that has ended",
                chunks.display()
            ),
        );
    }
    Check::warning(
        NAME,
        format!("on the heap, {} takes no mapped files: {loss}", chunks.display()),
        "set SPANWRIGHT_CHUNKS to a folder on ext4, xfs or tmpfs",
    )
}

/// The name of the check that looks at where spans stand until they are in the store.
pub const CHUNKS: &str = "chunks";

/// How much of what has ended a program that is killed may lose, by that check.
pub fn window_ms(chunks: &Check) -> u64 {
    if chunks.status == Status::Ok { 0 } else { COLLECTOR_INTERVAL.as_millis() as u64 }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path())
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
pub fn server(place: &Place, to: Option<&str>) -> (Vec<Check>, String) {
    if let Err(failure) = place.check_destination(to) {
        let remedy = failure.hint().map(str::to_owned);
        return (vec![Check::failed("server", failure.to_string(), remedy)], String::new());
    }
    if place.config.destination.value == Destination::StoreOnly {
        let works = "traces are recorded and stay in the store; set MLFLOW_TRACKING_URI=http://… to see them in MLflow";
        return (vec![Check::skipped("server", "none configured: traces stay in the store")], works.into());
    }
    let mut checks = Vec::new();
    let works = delivery(place, &mut checks).unwrap_or_else(|(name, error)| {
        let remedy = error.is_unreachable().then(|| AWAY.to_owned());
        checks.push(Check::failed(name, format!("{error:#}"), remedy));
        String::new()
    });
    for name in ["server", "experiment", "canary"] {
        if !checks.iter().any(|check| check.name == name) {
            checks.push(Check::skipped(name, "not tried"));
        }
    }
    (checks, works)
}

const AWAY: &str = "start it or correct MLFLOW_TRACKING_URI; until then traces wait in the store for `spanwright push`";

/// Goes the way of a trace; stops where it ends, with the name of the check.
fn delivery(place: &Place, checks: &mut Vec<Check>) -> Result<String, (&'static str, spanwright::Error)> {
    let client = Client::connect(&place.config).map_err(|error| ("server", error))?;
    let server = client.probe().map_err(|error| ("server", error))?;
    let version =
        server.version.as_deref().map_or_else(|| "MLflow of unknown version".into(), |v| format!("MLflow {v}"));
    let answered = format!("{version} at {} answered in {}", client.server(), took(server.answered_in));
    checks.push(if server.counts_once {
        Check::ok("server", answered)
    } else {
        Check::warning(
            "server",
            format!("{answered}; it counts the tokens of a span twice that has to be sent twice"),
            "upgrade it to MLflow 3.15 or newer",
        )
    });

    let id = client.experiment().map_err(|error| ("experiment", error))?;
    let experiment = match &place.config.experiment.value {
        Some(Experiment::Name(name)) => format!("`{name}` (id {id})"),
        Some(Experiment::Id(_)) => format!("id {id}"),
        None => format!("the default one (id {id}); MLFLOW_EXPERIMENT_NAME names another"),
    };
    checks.push(Check::ok("experiment", experiment));

    let canary = client.canary().map_err(|error| ("canary", error))?;
    let fate = if canary.is_deleted { "deleted again" } else { "it could not be deleted and stays there" };
    checks.push(Check::ok(
        "canary",
        format!("trace tr-{} was sent, read back after {}; {fate}", canary.trace_id, took(canary.took)),
    ));
    Ok(format!("traces are recorded and reach {} ({version}), experiment {id}", client.server()))
}

fn took(duration: Duration) -> String {
    text::duration(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
