//! An annotated function drops everything when the plain one does, in every shape: finished, cancelled, and unwound.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures::stream::{self, BoxStream, Stream, StreamExt};
use spanwright::testing::Recording;

thread_local! {
    static DROPPED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

struct Loud(&'static str);

impl Drop for Loud {
    fn drop(&mut self) {
        DROPPED.with_borrow_mut(|dropped| dropped.push(self.0));
    }
}

/// Two values, of which a body may take one.
struct Pair {
    left: Loud,
    right: Loud,
}

fn pair(left: &'static str, right: &'static str) -> Pair {
    Pair { left: Loud(left), right: Loud(right) }
}

/// Pending once.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Finish,
    Panic,
    Cancel,
    NeverPoll,
}

const ON_PURPOSE: &str = "on purpose";

fn maybe_panic(mode: Mode) {
    if mode == Mode::Panic {
        std::panic::panic_any(ON_PURPOSE);
    }
}

/// The same functions, plain and annotated.
macro_rules! corpus {
    ($name:ident $(, #[$attribute:meta])?) => {
        #[allow(unused_variables, dead_code)]
        mod $name {
            use super::*;

            // `b` is not used, `c` is taken apart, `d` is moved: each leaves the body in its own way.
            $(#[$attribute])?
            pub fn sync(a: Loud, b: Loud, c: Pair, d: Loud, mode: Mode) {
                let local = Loud("local");
                let right = c.right;
                let moved = d;
                let _borrowed = &a;
                maybe_panic(mode);
            }

            $(#[$attribute])?
            pub fn ignored(a: Loud, _: Loud, _unused: Loud, mode: Mode) {
                let local = Loud("local");
                maybe_panic(mode);
            }

            $(#[$attribute])?
            pub fn patterns(a: Loud, Pair { left, .. }: Pair, (b, _): (Loud, Loud), mut c: Loud, _: Loud, mode: Mode) {
                let local = Loud("local");
                let moved = b;
                drop(std::mem::replace(&mut c, Loud("c2")));
                maybe_panic(mode);
            }

            $(#[$attribute])?
            pub async fn asynchronous(a: Loud, b: Loud, c: Pair, d: Loud, mode: Mode) {
                let local = Loud("local");
                let right = c.right;
                let moved = d;
                let _borrowed = &a;
                Pause(false).await;
                maybe_panic(mode);
            }

            $(#[$attribute])?
            pub async fn asynchronous_patterns(a: Loud, Pair { left, .. }: Pair, _: Loud, (b, _): (Loud, Loud), mode: Mode) {
                let local = Loud("local");
                let moved = b;
                Pause(false).await;
                maybe_panic(mode);
            }

            $(#[$attribute])?
            pub fn future(a: Loud, b: Loud, c: Pair, d: Loud, mode: Mode) -> impl Future<Output = ()> {
                let local = Loud("local");
                async move {
                    let inner = Loud("inner");
                    let right = c.right;
                    let moved = d;
                    Pause(false).await;
                    maybe_panic(mode);
                }
            }

            $(#[$attribute])?
            pub fn boxed(a: Loud, b: Loud, c: Pair, d: Loud, mode: Mode) -> Pin<Box<dyn Future<Output = ()>>> {
                let local = Loud("local");
                Box::pin(async move {
                    let inner = Loud("inner");
                    let left = c.left;
                    let moved = d;
                    Pause(false).await;
                    maybe_panic(mode);
                })
            }

            $(#[$attribute])?
            pub fn streamed(a: Loud, b: Loud, c: Pair, mode: Mode) -> impl Stream<Item = u32> {
                let local = Loud("local");
                stream::unfold((0, a, c), move |(n, a, c)| async move {
                    let inner = Loud("inner");
                    Pause(false).await;
                    maybe_panic(mode);
                    (n < 2).then_some((n, (n + 1, a, c)))
                })
            }

            $(#[$attribute])?
            pub fn boxed_stream(a: Loud, b: Loud, mode: Mode) -> BoxStream<'static, u32> {
                let local = Loud("local");
                super::fixed(a, mode).boxed()
            }

            $(#[$attribute])?
            pub async fn async_stream(a: Loud, b: Loud, mode: Mode) -> Result<impl Stream<Item = u32>, Loud> {
                let local = Loud("local");
                Pause(false).await;
                if mode == Mode::Panic {
                    return Err(b);
                }
                Ok(super::fixed(a, mode))
            }

            pub struct Service(pub Loud, pub Loud);

            impl Service {
                $(#[$attribute])?
                pub fn by_value(self, a: Loud, mode: Mode) {
                    let local = Loud("local");
                    let first = self.0;
                    maybe_panic(mode);
                }

                $(#[$attribute])?
                pub async fn by_value_async(self, a: Loud, b: Loud, mode: Mode) {
                    let local = Loud("local");
                    Pause(false).await;
                    maybe_panic(mode);
                }
            }
        }
    };
}

fn fixed(held: Loud, mode: Mode) -> impl Stream<Item = u32> {
    stream::unfold((0, held), move |(n, held)| async move {
        maybe_panic(mode);
        (n < 2).then_some((n, (n + 1, held)))
    })
}

corpus!(plain);
corpus!(annotated, #[spanwright::node]);

/// What `work` drops, and whether it ends.
fn dropped(work: impl FnOnce()) -> Vec<&'static str> {
    DROPPED.with_borrow_mut(Vec::clear);
    let _ = catch_unwind(AssertUnwindSafe(work));
    DROPPED.with_borrow(Vec::clone)
}

fn drive<F: Future>(future: F, mode: Mode) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut task = Context::from_waker(Waker::noop());
    let polls = match mode {
        Mode::NeverPoll => 0,
        Mode::Cancel => 1,
        Mode::Finish | Mode::Panic => 10,
    };
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut task) {
            return Some(output);
        }
    }
    None
}

fn drain(stream: impl Stream<Item = u32>, mode: Mode) {
    let mut stream = pin!(stream);
    let mut task = Context::from_waker(Waker::noop());
    let polls = match mode {
        Mode::NeverPoll => 0,
        Mode::Cancel => 3,
        Mode::Finish | Mode::Panic => 20,
    };
    for _ in 0..polls {
        if matches!(stream.as_mut().poll_next(&mut task), Poll::Ready(None)) {
            return;
        }
    }
}

macro_rules! both {
    ($mode:expr, $shape:ident => $($work:tt)+) => {{
        let plain = dropped(|| {
            use plain::*;
            $($work)+;
        });
        let annotated = dropped(|| {
            use annotated::*;
            $($work)+;
        });
        println!("{:<24}{}", stringify!($shape), plain.join(" "));
        assert_eq!(annotated, plain, "{}", stringify!($shape));
    }};
}

fn compare(mode: Mode) {
    let l = Loud;
    both!(mode, sync => sync(l("a"), l("b"), pair("c0", "c1"), l("d"), mode));
    both!(mode, ignored => ignored(l("a"), l("_"), l("_unused"), mode));
    both!(mode, patterns =>
        patterns(l("a"), pair("left", "right"), (l("b0"), l("b1")), l("c"), l("_"), mode));
    both!(mode, by_value => Service(l("self0"), l("self1")).by_value(l("a"), mode));
    both!(mode, asynchronous => let _ = drive(asynchronous(l("a"), l("b"), pair("c0", "c1"), l("d"), mode), mode));
    both!(mode, asynchronous_patterns => let _ = drive(
        asynchronous_patterns(l("a"), pair("left", "right"), l("_"), (l("b0"), l("b1")), mode), mode));
    both!(mode, by_value_async => let _ = drive(Service(l("self0"), l("self1")).by_value_async(l("a"), l("b"), mode), mode));
    both!(mode, future => let _ = drive(future(l("a"), l("b"), pair("c0", "c1"), l("d"), mode), mode));
    both!(mode, boxed => let _ = drive(boxed(l("a"), l("b"), pair("c0", "c1"), l("d"), mode), mode));
    both!(mode, streamed => drain(streamed(l("a"), l("b"), pair("c0", "c1"), mode), mode));
    both!(mode, boxed_stream => drain(boxed_stream(l("a"), l("b"), mode), mode));
    both!(mode, async_stream => match drive(async_stream(l("a"), l("b"), mode), mode) {
        Some(Ok(stream)) => drain(stream, mode),
        Some(Err(error)) => drop(error),
        None => {}
    });
}

fn main() {
    std::panic::set_hook(Box::new(|panic| {
        if panic.payload().downcast_ref() != Some(&ON_PURPOSE) {
            println!("{panic}");
        }
    }));
    let recording = Recording::new();
    for (name, mode) in [
        ("finished", Mode::Finish),
        ("cancelled", Mode::Cancel),
        ("never polled", Mode::NeverPoll),
        ("panicked", Mode::Panic),
    ] {
        println!("-- {name}");
        compare(mode);
        recording.run(|| compare(mode));
    }
    assert_eq!(recording.open_spans(), 0);
    assert!(!recording.spans().is_empty());
}
