//! The corpus of returned values: every function returns, and its text is expanded as the attributes expand it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::*;
use crate::callsite::Capture;
use crate::capture::{self, Policy};
use crate::record::Usage;
use crate::tape;

/// What is kept of an observation: `ok value`, `error kind: text`, both, or nothing of what says nothing.
fn read(observed: &Observed<'_>) -> String {
    let mut text = String::new();
    if let Some(failure) = &observed.failure {
        let mut out = tape::Tape::default();
        capture::display(&mut out, failure, 200, &Policy::default());
        text = format!("error {}: {} ", tape::short_type_name(failure.kind()), tape::text(&out));
    }
    if let Some(value) = observed.value {
        let mut out = tape::Tape::default();
        capture::value(&mut out, value, Capture::Full, &Policy::default());
        text += &format!("ok {}", tape::output(&out, false).unwrap().as_str());
    }
    text.trim_end().to_owned()
}

fn call<R>(body: impl FnOnce() -> R, observe: impl for<'r> FnOnce(&'r R) -> Observed<'r>) -> String {
    read(&observe(&body()))
}

/// Expands a body as `#[node]` does: the closure has the return type, `impl` replaced by `_`.
macro_rules! node {
    ($ret:ty, $body:block) => {
        node!(ret, $ret, $body)
    };
    ($read:ident, $ret:ty, $body:block) => {
        call(move || -> $ret { $body }, |r| $read(r).ok().get())
    };
}

#[derive(Debug, Serialize)]
struct Plan {
    steps: u8,
}

#[derive(Debug)]
struct Silent;

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused with sk-abcdefgh")
    }
}

impl Error for Refused {}

/// Converts from any error, and is none itself, as `anyhow::Error`.
struct Anyhow(Box<dyn Error + Send + Sync>);

impl<E: Error + Send + Sync + 'static> From<E> for Anyhow {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Anyhow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A tool that answers either way.
#[derive(Serialize)]
enum ToolResult {
    Done(u8),
    Broken(String),
}

impl Outcome for ToolResult {
    fn outcome(&self) -> Observed<'_> {
        match self {
            Self::Done(value) => Observed::value(value),
            Self::Broken(error) => Observed::error(error),
        }
    }
}

type Alias<T> = Result<T, Refused>;
type Deep = Alias<Plan>;

#[test]
fn results_are_found_whatever_their_name() {
    assert_eq!(node!(Deep, { Ok(Plan { steps: 2 }) }), r#"ok {"steps":2}"#);
    assert_eq!(node!(Alias<u8>, { Err(Refused) }), "error Refused: refused with [redacted]");
    assert_eq!(node!(io::Result<()>, { Ok(()) }), "");
    assert_eq!(node!(io::Result<u8>, { Err(io::Error::other("disk"))? }), "error Error: disk");
    assert_eq!(node!(fmt::Result, { Ok(()) }), "");
    assert_eq!(node!(Result<Silent, Refused>, { Ok(Silent) }), r#"ok "<Silent>""#);
    assert_eq!(node!(Result<Silent, Refused>, { Err(Refused) }), "error Refused: refused with [redacted]");
    assert_eq!(node!(Result<Plan, Silent>, { Err(Silent) }), "error Silent: Silent");
    assert_eq!(node!(Result<Silent, Silent>, { Err(Silent) }), "error Silent: Silent");
    assert_eq!(node!(Result<Silent, Silent>, { Ok(Silent) }), r#"ok "<Silent>""#);
}

#[test]
fn boxed_errors_and_the_question_mark() {
    assert_eq!(node!(Result<u8, Box<dyn Error>>, { Err(Refused)? }), "error Box<dyn Error>: refused with [redacted]");
    assert_eq!(
        node!(Result<u8, Box<dyn Error + Send + Sync>>, { Err("plain".into()) }),
        "error Box<dyn Error + Send + Sync>: plain"
    );
    assert_eq!(node!(Result<u8, Anyhow>, { Err(Refused)? }), "error Anyhow: refused with [redacted]");
    assert_eq!(
        node!(Result<Vec<u8>, Anyhow>, {
            ["1", "x"].iter().map(|n| n.parse::<u8>()).collect::<Result<_, _>>().map_err(Anyhow::from)
        }),
        "error Anyhow: invalid digit found in string"
    );
    assert_eq!(node!(Result<Box<dyn fmt::Debug>, String>, { Ok(Box::new(1)) }), r#"ok "<Box<dyn Debug>>""#);
}

#[test]
fn values_without_a_result() {
    assert_eq!(node!((), {}), "");
    assert_eq!(node!(Option<u8>, { None }), "ok null");
    assert_eq!(node!(Option<Silent>, { Some(Silent) }), r#"ok "<Option<Silent>>""#);
    assert_eq!(node!(&'static str, { "text" }), r#"ok "text""#);
    assert_eq!(node!(Silent, { Silent }), r#"ok "<Silent>""#);
    assert_eq!(node!(Vec<Plan>, { vec![Plan { steps: 1 }] }), r#"ok [{"steps":1}]"#);
    assert_eq!(
        node!(u8, {
            if true {
                return 7;
            }
            8
        }),
        "ok 7"
    );
}

#[test]
fn a_value_that_judges_itself_is_asked_first() {
    assert_eq!(node!(ToolResult, { ToolResult::Done(3) }), "ok 3");
    assert_eq!(node!(ToolResult, { ToolResult::Broken("no".into()) }), "error String: no");
    assert_eq!(node!(Alias<ToolResult>, { Ok(ToolResult::Broken("no".into())) }), "error String: no");
    assert_eq!(node!(Alias<ToolResult>, { Err(Refused) }), "error Refused: refused with [redacted]");
    assert_eq!(node!(Result<ToolResult, Silent>, { Ok(ToolResult::Done(1)) }), "ok 1");
    assert_eq!(node!(Box<ToolResult>, { Box::new(ToolResult::Broken("no".into())) }), "error String: no");
    let expected = |result: Alias<u8>| ret(&result).ok().get().expected(matches!(result, Err(Refused { .. }))).expected;
    assert!(expected(Err(Refused)) && !expected(Ok(1)));
    assert!(Observed::ok().value.is_none() && !Observed::ok().is_error());
}

#[test]
fn generics_count_by_their_declared_bounds() {
    fn free<T>(value: T) -> String {
        node!(T, { value })
    }
    fn bound<T: Serialize>(value: T) -> String {
        node!(T, { value })
    }
    fn result<T, E>(value: Result<T, E>) -> String {
        node!(Result<T, E>, { value })
    }
    fn display<T, E: fmt::Display>(value: Result<T, E>) -> String {
        node!(Result<T, E>, { value })
    }
    assert_eq!((free(1), bound(1)), (r#"ok "<i32>""#.into(), "ok 1".into()));
    assert_eq!(free(Err::<(), _>("looks like a failure")), r#"ok "<Result<(), &str>>""#);
    assert_eq!(result::<u8, _>(Err("x")), "error &str: &str");
    assert_eq!(display::<u8, _>(Err("x")), "error &str: x");
}

#[test]
fn impl_in_the_return_type_is_an_open_place() {
    assert_eq!(node!(Result<_, Refused>, { if false { return Err(Refused); } Ok(vec![1]) }), "ok [1]");
    assert_eq!(call(|| -> _ { vec![1u8].into_iter().map(u32::from) }, opaque).split('<').next(), Some("ok \""));
}

#[test]
fn references_and_receivers() {
    struct Builder {
        steps: Vec<u8>,
    }
    impl Builder {
        fn push(&mut self, step: u8) -> (&mut Self, String) {
            fn run<R>(body: impl FnOnce() -> R, observe: impl for<'r> FnOnce(&'r R) -> Observed<'r>) -> (R, String) {
                let r = body();
                let kept = read(&observe(&r));
                (r, kept)
            }
            run(
                move || -> &mut Self {
                    self.steps.push(step);
                    self
                },
                |r| ret(r).ok().get(),
            )
        }
    }
    let mut builder = Builder { steps: vec![] };
    let (this, kept) = builder.push(1);
    assert_eq!((this.steps.len(), kept.as_str()), (1, r#"ok "<&mut Builder>""#));
    let plan = &Plan { steps: 3 };
    assert_eq!(node!(&Plan, { plan }), r#"ok {"steps":3}"#);
}

#[test]
fn a_function_that_never_returns_is_not_observed() {
    fn never(stop: bool) -> ! {
        fn run<R>(body: impl FnOnce() -> R, observe: impl for<'r> FnOnce(&'r R) -> Observed<'r>) -> R {
            let r = body();
            let _ = observe(&r);
            r
        }
        run(
            move || -> ! {
                assert!(!stop, "stopped");
                std::process::abort()
            },
            unreached,
        )
    }
    assert!(std::panic::catch_unwind(|| never(true)).is_err());
}

#[tokio::test]
async fn async_bodies_read_alike() {
    async fn call<R>(body: impl Future<Output = R>, observe: impl for<'r> FnOnce(&'r R) -> Observed<'r>) -> String {
        read(&observe(&body.await))
    }
    let hinted = call(
        async move {
            if let Some(r) = None::<Result<Box<dyn fmt::Debug>, Anyhow>> {
                return r;
            }
            Err(Refused)?;
            Ok(Box::new(1))
        },
        |r| ret(r).ok().get(),
    );
    assert_eq!(hinted.await, "error Anyhow: refused with [redacted]");
}

#[test]
fn a_future_declared_as_a_value_is_one() {
    assert_eq!(node!(plain, std::future::Ready<u8>, { std::future::ready(1) }), r#"ok "<Ready<u8>>""#);
}

#[derive(Serialize)]
struct Reply {
    text: &'static str,
}

impl ModelOutcome for Reply {
    fn model(&self) -> Option<Cow<'_, str>> {
        Some(self.text.into())
    }
    fn usage(&self) -> Option<Usage> {
        Some(Usage { input: 3, output: 4, ..Usage::default() })
    }
}

struct SilentReply;
impl ModelOutcome for SilentReply {}

#[test]
fn model_facts_are_found_where_the_type_has_them() {
    fn facts(observed: &Observed<'_>) -> Option<u64> {
        match observed.facts {
            FactsOf::Model(facts) => Some(facts.usage().map_or(0, |usage| usage.total())),
            _ => None,
        }
    }
    macro_rules! both {
        ($ret:ty, $value:expr) => {{
            let value: $ret = $value;
            let observed = model(&value).ok().get();
            (read(&observed), facts(&observed))
        }};
    }
    let reply = r#"ok {"text":"hi"}"#.to_owned();
    assert_eq!(both!(Reply, Reply { text: "hi" }), (reply.clone(), Some(7)));
    assert_eq!(both!(Alias<Reply>, Ok(Reply { text: "hi" })), (reply.clone(), Some(7)));
    assert_eq!(both!(Result<Box<Reply>, Silent>, Ok(Box::new(Reply { text: "hi" }))), (reply, Some(7)));
    assert_eq!(both!(Alias<SilentReply>, Ok(SilentReply)), (r#"ok "<SilentReply>""#.into(), Some(0)));
    assert_eq!(both!(Alias<Reply>, Err(Refused)), ("error Refused: refused with [redacted]".into(), None));
    assert_eq!(both!(Alias<String>, Ok("no facts".into())), (r#"ok "no facts""#.into(), None));
    assert_eq!(both!(ToolResult, ToolResult::Broken("no".into())), ("error String: no".into(), None));
}

#[derive(Serialize)]
struct Run {
    code: i32,
    late: bool,
}

impl SandboxOutcome for Run {
    fn exit_code(&self) -> i32 {
        self.code
    }
    fn timed_out(&self) -> bool {
        self.late
    }
    fn time_limit(&self) -> Option<Duration> {
        self.late.then_some(Duration::from_secs(5))
    }
    fn reason(&self) -> Option<Cow<'_, str>> {
        (self.code == -1).then_some(Cow::Borrowed("no such file"))
    }
}

#[test]
fn sandboxed_runs_fail_by_code_and_time() {
    macro_rules! run {
        ($ret:ty, $value:expr) => {{
            let value: $ret = $value;
            let observed = sandbox(&value).ok().get();
            assert!(matches!(observed.facts, FactsOf::Sandbox(_)) != read(&observed).starts_with("error Refused"));
            read(&observed)
        }};
    }
    let run = |code, late| Run { code, late };
    assert_eq!(run!(Run, run(0, false)), r#"ok {"code":0,"late":false}"#);
    assert_eq!(run!(Run, run(3, false)), r#"error Run: exit code 3 ok {"code":3,"late":false}"#);
    assert_eq!(run!(Alias<Run>, Ok(run(0, true))), r#"error Run: timed out after 5s ok {"code":0,"late":true}"#);
    assert_eq!(run!(Result<Run, Silent>, Ok(run(-1, false))), r#"error Run: no such file ok {"code":-1,"late":false}"#);
    assert_eq!(run!(Alias<Run>, Err(Refused)), "error Refused: refused with [redacted]");
    let kept = run(0, false);
    assert_eq!(run!(&Run, &kept), r#"ok {"code":0,"late":false}"#);
    assert_eq!(run!(Alias<&Run>, Ok(&kept)), r#"ok {"code":0,"late":false}"#);
    struct Bare(i32);
    impl SandboxOutcome for Bare {
        fn exit_code(&self) -> i32 {
            self.0
        }
    }
    assert_eq!(run!(Bare, Bare(2)), r#"error Bare: exit code 2 ok "<Bare>""#);
    assert_eq!(run!(Result<Box<Bare>, Silent>, Ok(Box::new(Bare(0)))), r#"ok "<Box<Bare>>""#);
}
