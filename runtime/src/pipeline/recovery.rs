//! Taking over what processes that died left behind: their chunks, and their open spans in the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::chunk::folder::{Abandoned, has_folder};
use crate::collector::Assembly;
use crate::config::{ChunkPlace, Config};
use crate::error::Error;
use crate::record::{Losses, Remains};
use crate::store::{ProcessId, Salvaged, Store};

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
    /// What was read of damaged stores that had been put aside.
    pub salvaged: Salvaged,
    /// Files of processes that were forked that could not be read to their end; they are put aside.
    pub unread_batches: u64,
    /// Why something could not be taken over; it stays where it is for the next try.
    pub problems: Vec<Error>,
}

/// Brings what processes that died left in their chunks into the store: spans that had ended as they ended, the others as
/// abandoned. Takes in what processes that were forked hand on, dead or alive, and what damaged stores that were put aside had not
/// delivered. Every traced program does this as it starts; call it before reading a store without tracing anything.
///
/// Any number of processes may call this at once: what one of them takes over, the others do not see.
pub fn recover(store: &Store, config: &Config) -> Recovered {
    let mut recovered = Recovered::default();
    if store.folder().is_none() {
        // What is safe in files is not taken into memory, to go with this process.
        return recovered;
    }
    match store.salvage() {
        Ok(salvaged) => recovered.salvaged = salvaged,
        Err(error) => recovered.problems.push(error),
    }
    let Some(root) = chunk_root(store.folder(), config) else { return recovered };
    for abandoned in Abandoned::all(&root) {
        match take_over(store, &abandoned, &mut recovered) {
            Ok(()) => abandoned.remove(),
            Err(error) => recovered.problems.push(error),
        }
    }
    let forgotten = store.forget_settled(|process| !has_folder(&root, process.0));
    recovered.problems.extend(forgotten.err());
    let taken_in = take_in(store, None, &mut recovered);
    recovered.problems.extend(taken_in.err());
    recovered
}

/// The folder that has the folder `chunks`, with chunk files or with leases alone; `None` in memory.
pub(super) fn chunk_root(store: Option<&Path>, config: &Config) -> Option<PathBuf> {
    match &config.chunks.value {
        ChunkPlace::Store | ChunkPlace::Heap => store.map(Path::to_owned),
        ChunkPlace::At(folder) => Some(folder.clone()),
    }
}

/// Each step leaves what the next one who tries can finish, whenever this process dies.
fn take_over(store: &Store, abandoned: &Abandoned, recovered: &mut Recovered) -> Result<(), Error> {
    let process = ProcessId(abandoned.process());
    // What it handed on is older than what is left in its chunks, and may say that nothing is.
    take_in(store, Some(process), recovered)?;
    if !store.is_settled(process)? {
        bring_in(store, abandoned, process, recovered)?;
    }
    abandoned.empty();
    store.forget_process(process)?;
    recovered.processes += 1;
    Ok(())
}

/// Brings what a process left into the store, and what it had lost into the counts there, as a whole and once.
fn bring_in(store: &Store, abandoned: &Abandoned, process: ProcessId, recovered: &mut Recovered) -> Result<(), Error> {
    let mut assembly = Assembly::default();
    assembly.resume(store.callsites_of(process)?, store.open_spans_of(process)?);
    let unread = abandoned.read(|entry| assembly.take(entry)) as u64;
    let (strangers, crowded) = (assembly.strangers(), assembly.crowded());
    // The start of a span that is in the store already may have been in a chunk that was used again.
    let orphaned = strangers.len() as u64 - store.count_known(&strangers)?;
    let mut batch = assembly.close_all();
    let known = store.losses_of(process)?;
    batch.losses = Some(Losses {
        crowded: known.crowded + crowded,
        orphaned: known.orphaned + orphaned,
        malformed: known.malformed + unread,
        ..abandoned.losses()
    });
    batch.remains = Remains::Chunks;
    store.append(&batch, process, abandoned.destination().as_deref())?;
    recovered.spans += batch.finished.len() as u64;
    recovered.unread_chunks += unread;
    Ok(())
}

/// Takes in what processes that were forked hand on, or one of them.
fn take_in(store: &Store, process: Option<ProcessId>, recovered: &mut Recovered) -> Result<(), Error> {
    let taken = store.take_in(process, Duration::MAX)?;
    recovered.spans += taken.spans;
    recovered.unread_batches += taken.damaged;
    Ok(())
}
