//! Taking over what processes that died left behind: their chunks, and their open spans in the store.

use std::path::{Path, PathBuf};

use crate::chunk::folder::Abandoned;
use crate::collector::Assembly;
use crate::config::{ChunkPlace, Config};
use crate::error::Error;
use crate::store::{ProcessId, Salvaged, Store};

/// What a recovery took over.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Processes that had died.
    pub processes: u64,
    /// Spans they left, those that had not ended included.
    pub spans: u64,
    /// Chunks that could not be read to their end.
    pub unread_chunks: u64,
    /// What was read of damaged stores that had been put aside.
    pub salvaged: Salvaged,
    /// Why something could not be taken over; it stays where it is for the next try.
    pub problems: Vec<Error>,
}

/// Brings what processes that died left in their chunks into the store: spans that had ended as they ended, the others as
/// abandoned. And what damaged stores that were put aside had not delivered. Every traced program does this as it starts; call it
/// before reading a store without tracing anything.
///
/// Any number of processes may call this at once: what one of them takes over, the others do not see.
pub fn recover(store: &Store, config: &Config) -> Recovered {
    let mut recovered = Recovered::default();
    if store.folder().is_none() {
        // What is safe in files is not taken into memory.
        return recovered;
    }
    match store.salvage() {
        Ok(salvaged) => recovered.salvaged = salvaged,
        Err(error) => recovered.problems.push(error),
    }
    let Some(root) = chunk_root(store, config) else { return recovered };
    for abandoned in Abandoned::all(&root) {
        match take_over(store, &abandoned, &mut recovered) {
            Ok(()) => abandoned.remove(),
            Err(error) => recovered.problems.push(error),
        }
    }
    recovered
}

/// The folder that has the folder `chunks`; `None` where chunks are on the heap.
pub(super) fn chunk_root(store: &Store, config: &Config) -> Option<PathBuf> {
    match &config.chunks.value {
        ChunkPlace::Store => store.folder().map(Path::to_owned),
        ChunkPlace::At(folder) => Some(folder.clone()),
        ChunkPlace::Heap => None,
    }
}

fn take_over(store: &Store, abandoned: &Abandoned, recovered: &mut Recovered) -> Result<(), Error> {
    let process = ProcessId(abandoned.process());
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
