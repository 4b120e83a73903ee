//! The expansion means the same wherever it stands: no prelude, no unsafe, the facade under another name, and the user's names for everything it uses.

#![no_implicit_prelude]
#![forbid(unsafe_code)]
#![allow(dead_code, non_camel_case_types)]

extern crate spanwright as sw;

mod core {
    pub mod option {}
}
mod spanwright {
    pub mod __private {}
}
mod std {}

mod elsewhere {
    pub extern crate spanwright as sw;
}

struct Option;
struct Result;
struct Some;
struct None;
struct Box;
struct String;
struct Callsite;
struct Span;

const SITE: u32 = 1;
const __SITE: &str = "theirs";
static SPAN: u32 = 2;

fn start() {}
fn call() {}
fn arg() {}
fn ret() {}
fn handle() {}
fn p() {}

macro_rules! site {
    () => {};
}
macro_rules! __site {
    () => {};
}

#[::sw::node(crate = ::sw, attributes(site = __SITE, other = SITE))]
fn sync(span: u32, r: u32, f: u32) -> u32 {
    span + r + f + SITE + SPAN
}

#[::sw::workflow(crate = crate::elsewhere::sw, tags(r = r, f = f), handle = e)]
async fn asynchronous(span: u32, r: u32, f: u32) -> u32 {
    e.set("r", r);
    span + r + f + SITE
}

#[::sw::tool(crate = ::sw)]
fn future(span: u32, r: u32) -> impl ::core::future::Future<Output = u32> {
    async move { span + r }
}

#[::sw::llm(crate = ::sw, expected(Failure))]
fn boxed(span: u32, r: u32) -> ::futures::future::BoxFuture<'static, ::core::result::Result<u32, Failure>> {
    ::std::boxed::Box::pin(async move {
        if r == 0 { ::core::result::Result::Err(Failure) } else { ::core::result::Result::Ok(span + r) }
    })
}

#[::sw::retriever(crate = ::sw)]
fn streamed(span: u32, r: u32) -> impl ::futures::Stream<Item = u32> {
    ::futures::stream::iter([span, r])
}

#[::sw::retriever(crate = ::sw)]
async fn try_streamed(
    span: u32,
    r: u32,
) -> ::core::result::Result<::futures::stream::BoxStream<'static, u32>, Failure> {
    ::core::result::Result::Ok(::futures::StreamExt::boxed(::futures::stream::iter([span, r])))
}

/// Types and modules of the user's with the names of what an expansion is made of.
mod call {
    struct Kind(u32);
    struct Facts;
    pub mod option {}
    pub mod core {}

    impl Kind {
        #[::sw::tool(crate = ::sw, attributes(start = self.0), inputs(arg = e))]
        fn start(&self, p: u32, e: u32, call: u32) -> u32 {
            fn __SITE() -> u32 {
                1
            }
            const SITE: u32 = 2;
            self.0 + p + e + call + __SITE() + SITE
        }

        #[::sw::tool(crate = ::sw, expected(Facts), handle = handle)]
        async fn with(&self, site: u32, future: u32) -> ::core::result::Result<u32, Facts> {
            handle.set("site", site);
            ::core::result::Result::Ok(self.0 + site + future)
        }
    }

    pub fn methods() {
        ::core::assert_eq!(Kind(1).start(1, 2, 3), 10);
        let with = ::futures::executor::block_on(Kind(1).with(2, 3));
        ::core::assert!(::core::matches!(with, ::core::result::Result::Ok(6)));
    }

    impl ::core::fmt::Display for Facts {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.write_str("facts")
        }
    }
}

#[::sw::agent(crate = ::sw)]
fn never(span: u32) -> ! {
    ::core::panic!("{span}")
}

struct Failure;

impl ::core::fmt::Display for Failure {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str("failure")
    }
}

/// Names that a `macro_rules!` made are not names that its caller wrote.
macro_rules! hygienic {
    ($a:ident) => {
        #[::sw::tool(crate = ::sw, skip($a), handle = span)]
        fn from_macro($a: u32, b: u32) -> u32 {
            span.set("b", b);
            $a + b
        }
    };
}

hygienic!(b);

fn main() {
    ::core::assert_eq!(sync(1, 2, 3), 9);
    ::core::assert_eq!(from_macro(1, 2), 3);
    call::methods();
    ::core::assert_eq!(::futures::executor::block_on(asynchronous(1, 2, 3)), 7);
    ::core::assert_eq!(::futures::executor::block_on(future(1, 2)), 3);
    ::core::assert!(::futures::executor::block_on(boxed(1, 0)).is_err());
    let streamed = ::futures::executor::block_on_stream(streamed(1, 2));
    ::core::assert_eq!(::core::iter::Iterator::count(streamed), 2);
    let streamed = ::futures::executor::block_on(try_streamed(1, 2));
    ::core::assert!(streamed.is_ok());
}
