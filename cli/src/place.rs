//! Which store and which configuration a command works with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use spanwright::Guard;
use spanwright::config::{ChunkPlace, Config, Destination, Overrides, Source, StorePlace, Uri};
use spanwright::record::{Batch, RecordSink};
use spanwright::store::{self, Store};

use crate::failure::Failure;

/// How to come by traces, for those who have none.
const NO_TRACES: &str = "run your program with `let _guard = spanwright::init();` in its main, \
                         or from a folder below the one that has the `.spanwright` folder; --store PATH names another";

/// How long taking over what dead programs left may take.
const TAKE_OVER: Duration = Duration::from_secs(10);

/// The folder below a project in which its store is.
const FOLDER: &str = ".spanwright";

/// The configuration as a program started here would have it.
#[derive(Debug)]
pub struct Place {
    /// The settings in force.
    pub config: Config,
    /// What is wrong with the others.
    pub warnings: Vec<String>,
}

impl Place {
    /// The configuration here; `store` and `to` as given on the command line win.
    pub fn here(store: Option<&Path>, to: Option<&str>) -> Self {
        let store = store.map(|path| StorePlace::At(folder_of(path)));
        let overrides = Overrides { store, tracking_uri: to.map(str::to_owned), ..Overrides::default() };
        let (config, warnings) = Config::of_process(overrides);
        // For the library this command line is the program.
        let by_us = "set by the program for MLFLOW_TRACKING_URI";
        let warnings = warnings.into_iter().map(|warning| warning.replace(by_us, "given as --to")).collect();
        Self { config, warnings }
    }

    /// Fails if `to`, as given on the command line, is no server; the configured one must not stand in for it.
    pub fn check_destination(&self, to: Option<&str>) -> Result<(), Failure> {
        let destination = &self.config.destination;
        if let Destination::Unsupported(uri) = &destination.value {
            return Err(not_a_server(uri));
        }
        if to.is_some() && destination.source != Source::Code {
            let why = self.warnings.first().cloned().unwrap_or_else(|| "--to is no address".into());
            return Err(Failure::said(why, "give --to as http://host:port or https://host"));
        }
        Ok(())
    }

    /// The folder of the store, whether it is there or not; `None` if spans are kept in memory.
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.config.store.value {
            StorePlace::Nearest => Some(store::locate(&self.config.working_folder)),
            StorePlace::At(folder) => Some(folder.clone()),
            StorePlace::Off => None,
        }
    }

    /// The store, if there is one, with what programs that died left in their chunks.
    pub fn store(&self) -> Result<Option<Store>, Failure> {
        let Some(folder) = self.folder() else {
            return Err(Failure::said(
                "the store is switched off: SPANWRIGHT_STORE=off keeps spans in the memory of the traced program only",
                "unset SPANWRIGHT_STORE, or give --store PATH",
            ));
        };
        let Some(store) = Store::open_existing(&folder)? else { return Ok(None) };
        // What stands in the way of it stands in the way of `doctor`, which says so.
        spanwright::recover(&store, &self.config);
        Ok(Some(store))
    }

    /// Where traced programs have their chunks, a folder each; `None` if on the heap.
    pub fn chunks(&self, folder: &Path) -> Option<PathBuf> {
        match &self.config.chunks.value {
            ChunkPlace::Store => Some(folder.join("chunks")),
            ChunkPlace::At(place) => Some(place.join("chunks")),
            ChunkPlace::Heap => None,
        }
    }

    /// Traces this process as it would a program, into the store in `folder` and to no server.
    pub fn traced(&self, folder: &Path) -> Option<Guard> {
        let tracing = spanwright::builder().store(folder).tracking_uri("").diagnostics(|_| {}).install().ok()?;
        tracing.flush(TAKE_OVER);
        Some(tracing)
    }

    /// Keeps nothing of what is traced in this process.
    pub fn untraced() -> Option<Guard> {
        struct Nowhere;
        impl RecordSink for Nowhere {
            fn append(&mut self, _: &Batch) -> Result<(), spanwright::Error> {
                Ok(())
            }
        }
        spanwright::builder().sink(Nowhere).diagnostics(|_| {}).install().ok()
    }

    /// The store; without one, a failure that says where it was looked for.
    pub fn store_with_traces(&self) -> Result<Store, Failure> {
        self.store()?.ok_or_else(|| Failure::said(self.nothing_there(), NO_TRACES))
    }

    /// Where traces were looked for, in words.
    pub fn nothing_there(&self) -> String {
        let folder = self.folder().unwrap_or_default();
        format!("no traces yet: there is no store at {}", folder.display())
    }

    /// That the store is there and empty, in words.
    pub fn empty(store: &Store) -> Failure {
        let folder = store.folder().unwrap_or(Path::new("memory")).display();
        Failure::said(format!("no traces yet in {folder}"), NO_TRACES)
    }
}

/// That traces cannot be delivered to `uri`, and how they can get there.
fn not_a_server(uri: &Uri) -> Failure {
    Failure::said(
        format!("`{uri}` is no server: traces stay in the store"),
        format!(
            "run `mlflow server --backend-store-uri {uri}`, set MLFLOW_TRACKING_URI to its address, then `spanwright push`"
        ),
    )
}

/// The folder people mean by a path: itself, the `.spanwright` in it, or the one that has the file they named.
pub fn folder_of(path: &Path) -> PathBuf {
    if path.join(FOLDER).is_dir() {
        return path.join(FOLDER);
    }
    match path.parent() {
        Some(parent) if path.is_file() => parent.to_owned(),
        _ => path.to_owned(),
    }
}
