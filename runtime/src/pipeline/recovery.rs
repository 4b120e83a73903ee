//! Taking over what processes that died left behind: their chunks, and their open spans in the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::chunk::folder::Abandoned;
use crate::collector::Assembly;
use crate::config::{ChunkPlace, Config};
use crate::error::Error;
use crate::store::{ProcessId, Store};

/// What a recovery took over.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Processes that had died.
    pub processes: u64,
    /// Spans they left, those that had not ended included, and those that processes that were forked handed on.
    pub spans: u64,
    /// Chunks that could not be read to their end.
    pub unread_chunks: u64,
    /// Files of processes that were forked that could not be read to their end; they are put aside.
    pub unread_batches: u64,
    /// Why something could not be taken over; it stays where it is for the next try.
    pub problems: Vec<Error>,
}

/// Brings what processes that died left in their chunks into the store: spans that had ended as they ended, the others as
/// abandoned. Takes in what processes that were forked hand on, dead or alive. Every traced program does this as it starts; call it before
/// reading a store without tracing anything.
///
/// Any number of processes may call this at once: what one of them takes over, the others do not see.
pub fn recover(store: &Store, config: &Config) -> Recovered {
    let mut recovered = Recovered::default();
    let abandoned = chunk_root(store.folder(), config).map(|root| Abandoned::all(&root));
    for abandoned in abandoned.into_iter().flatten() {
        match take_over(store, &abandoned, &mut recovered) {
            Ok(()) => abandoned.remove(),
            Err(error) => recovered.problems.push(error),
        }
    }
    if let Err(error) = take_in(store, None, &mut recovered) {
        recovered.problems.push(error);
    }
    recovered
}

/// The folder that has the folder `chunks`; `None` where chunks are on the heap.
pub(super) fn chunk_root(store: Option<&Path>, config: &Config) -> Option<PathBuf> {
    match &config.chunks.value {
        ChunkPlace::Store => store.map(Path::to_owned),
        ChunkPlace::At(folder) => Some(folder.clone()),
        ChunkPlace::Heap => None,
    }
}

fn take_over(store: &Store, abandoned: &Abandoned, recovered: &mut Recovered) -> Result<(), Error> {
    let process = ProcessId(abandoned.process());
    // What it handed on is older than what is left in its chunks.
    take_in(store, Some(process), recovered)?;
    let mut assembly = Assembly::default();
    assembly.resume(store.callsites_of(process)?, store.open_spans_of(process)?);
    let unread = abandoned.read(|entry| assembly.take(entry));
    let batch = assembly.close_all();
    store.append(&batch, process, abandoned.destination().as_deref())?;
    store.forget_process(process)?;
    recovered.processes += 1;
    recovered.spans += batch.finished.len() as u64;
    recovered.unread_chunks += unread as u64;
    Ok(())
}

/// Takes in what processes that were forked hand on, or one of them.
fn take_in(store: &Store, process: Option<ProcessId>, recovered: &mut Recovered) -> Result<(), Error> {
    let taken = store.take_in(process, Duration::MAX)?;
    recovered.spans += taken.spans;
    recovered.unread_batches += taken.damaged;
    Ok(())
}
