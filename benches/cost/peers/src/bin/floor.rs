//! The floor: two clock reads and an append of 64 bytes to a buffer of the thread, which stands ready. It is read by nobody.

use std::cell::RefCell;
use std::hint::black_box;
use std::process::ExitCode;

use load::{Fate, ROOM, Report, Setup, Subject, Tree, Yield};

#[global_allocator]
static ALLOCATOR: load::Counting = load::Counting;

/// Records of a thread before its buffer is used anew: 64 KiB, as much as stays in a cache.
const RECORDS: usize = 1024;

type Record = [u64; 8];

thread_local! {
    static BUFFER: RefCell<Vec<Record>> = RefCell::new(Vec::with_capacity(RECORDS));
}

/// The processor's time stamp counter, the cheapest clock there is.
#[inline]
fn clock() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86_64 processor has the counter.
    return unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(not(target_arch = "x86_64"))]
    return std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64);
}

/// Knows neither its parent nor its id: no library is that poor.
struct Span {
    name: &'static str,
    begin: u64,
    entities: i64,
}

#[inline]
fn start(name: &'static str, entities: i64) -> Span {
    Span { name, begin: clock(), entities }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        let (name, room) = (self.name.as_ptr() as u64, ROOM.as_ptr() as u64);
        let record =
            [name, self.name.len() as u64, self.begin, clock(), room, ROOM.len() as u64, self.entities as u64, 0];
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() == RECORDS {
                black_box(&*buffer);
                buffer.clear();
            }
            buffer.push(record);
        });
    }
}

struct Floor;

impl Subject for Floor {
    fn start(_setup: &Setup) -> Self {
        Self
    }

    /// A value in and out has no floor: it depends on the form it is kept in.
    fn can(tree: Tree) -> bool {
        tree != Tree::Report
    }

    fn empty(&self, children: u32) {
        self.attributes(children);
    }

    fn attributes(&self, children: u32) {
        plan_rooms(children);
    }

    fn report(&self, _children: u32, report: Report) -> Report {
        report
    }

    async fn empty_async(&self, children: u32) {
        ask_rooms(children).await;
    }

    async fn attributes_async(&self, children: u32) {
        ask_rooms(children).await;
    }

    fn flush(&self) -> Fate {
        Fate::default()
    }
}

#[inline(never)]
fn plan_rooms(children: u32) {
    let _span = start("plan_rooms", i64::from(children));
    for child in 0..children {
        look_closely(i64::from(child));
    }
}

#[inline(never)]
fn look_closely(entities: i64) {
    let _span = start("look_closely", entities);
    black_box(entities);
}

async fn ask_rooms(children: u32) {
    let _span = start("ask_rooms", i64::from(children));
    for child in 0..children {
        ask_closely(i64::from(child)).await;
    }
}

async fn ask_closely(entities: i64) {
    let _span = start("ask_closely", entities);
    Yield::default().await;
    black_box(entities);
}

fn main() -> ExitCode {
    load::run::<Floor>()
}
