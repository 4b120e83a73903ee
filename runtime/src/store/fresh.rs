//! What has just been stored, as it stands in the database: a reader who keeps up with the writer takes it from here and leaves the pages
//! of the database alone.
//!
//! The database remains the truth. Only what is committed gets here, and what waits is still said by the queue: who reads looks there
//! first, and here for the blocks it names. A block is known by its sequence number and by the file that has it, and when a file is
//! replaced everything is forgotten before a connection to the next one is used.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block;
use super::held::FileId;

/// Bytes kept, about; beyond it the oldest are forgotten, and read from the database.
const MOST_BYTES: usize = 8 << 20;

#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// Whether somebody reads soon what is stored.
    is_wanted: bool,
    /// In the order of their numbers.
    blocks: VecDeque<Kept>,
    bytes: usize,
    /// The database that has them; `None` in memory.
    file: Option<FileId>,
}

#[derive(Debug)]
struct Kept {
    first: i64,
    spans: i64,
    block: Arc<Vec<u8>>,
}

impl Fresh {
    /// From now on blocks are kept.
    #[cfg(feature = "mlflow")]
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    pub(super) fn forget(&mut self) {
        self.blocks.clear();
        self.bytes = 0;
    }

    /// Keeps blocks that were committed to `file`, each with the number of its first span.
    pub(super) fn keep(&mut self, file: Option<FileId>, blocks: Vec<(i64, Vec<u8>)>) {
        if !self.is_wanted {
            return;
        }
        if self.file != file {
            self.forget();
            self.file = file;
        }
        for (first, block) in blocks {
            self.bytes += block.len();
            self.blocks.push_back(Kept { first, spans: block::count(&block) as i64, block: Arc::new(block) });
        }
        while self.bytes > MOST_BYTES {
            self.drop_first();
        }
    }

    /// The block with span `seq` and the number of its first, if `file` has it and it is kept. What comes before it is forgotten.
    pub(super) fn find(&mut self, file: Option<FileId>, seq: i64) -> Option<(i64, Arc<Vec<u8>>)> {
        if self.file != file {
            return None;
        }
        while self.blocks.front().is_some_and(|kept| kept.first + kept.spans <= seq) {
            self.drop_first();
        }
        let kept = self.blocks.front().filter(|kept| kept.first <= seq)?;
        Some((kept.first, Arc::clone(&kept.block)))
    }

    fn drop_first(&mut self) {
        let bytes = self.blocks.pop_front().map_or(self.bytes, |kept| kept.block.len());
        self.bytes -= bytes;
    }
}
