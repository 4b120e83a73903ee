//! A program that is told secrets in every way there is, and passes them on. It knows them from its environment.
//!
//! The first argument says what it does afterwards: `leave`, or `stay` until it is killed, in the middle of a call.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde::Serialize;
use spanwright::{SandboxOutcome, Secret, delegate, llm, node, sandbox, tool, workflow};

#[derive(Clone, Serialize)]
struct Login {
    user: String,
    password: String,
    #[serde(rename = "apiKey")]
    api_key: String,
    note: &'static str,
}

struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "401 at https://bot:{}@api.example/v1", self.0)
    }
}

struct Run(String);

impl SandboxOutcome for Run {
    fn exit_code(&self) -> i32 {
        3
    }

    fn stderr(&self) -> std::borrow::Cow<'_, str> {
        format!("cannot fetch with sk-{}", self.0).into()
    }
}

#[tool(skip(hidden), redact(card))]
fn log_in(login: &Login, headers: &BTreeMap<&str, String>, hidden: &str, card: &str, kept: Secret<&str>) -> Login {
    let _ = (headers, hidden, card, kept.len());
    login.clone()
}

#[tool(attributes(access_token = secret, endpoint = format!("redis://cache:{secret}@10.0.0.1/0")))]
fn fetch(url: &str, secret: &str) -> Result<String, Refused> {
    let _ = url;
    Err(Refused(secret.to_owned()))
}

#[tool]
fn collapse(token: &str) {
    panic!("cannot go on as Bearer {token}");
}

#[llm(model = "gpt-4o-mini", provider = "openai", tools = serde_json::json!([{"name": "login", "secret": question}]))]
fn ask(question: &str) -> String {
    format!("{question}, and Authorization: Bearer {question}")
}

#[sandbox(policy = format!("mount ftp://user:{secret}@files"))]
fn execute(secret: &str) -> Run {
    Run(secret.to_owned())
}

#[delegate(from = "a", to = "b", content = format!("log in with Bearer {secret}"))]
fn pass_on(secret: &str) {
    let _ = secret;
}

#[node(capture = "full", handle = span)]
fn gather(session_token: &str, words: &[String]) -> usize {
    span.set("client_secret", session_token);
    span.set("remark", format!("it was Bearer {session_token}"));
    span.event_with("login", serde_json::json!({"password": session_token, "at": "visible-event"}));
    words.len()
}

#[workflow(handle = root, run = "visible-run", tags(api_key = secret, site = format!("https://u:{secret}@h")), params(token = secret))]
fn confiding_workflow(secret: &str, stay: bool) {
    root.tag("password", secret);
    root.run_tag("credentials", secret);
    root.param("passphrase", secret);
    let login =
        Login { user: "visible-user".into(), password: secret.into(), api_key: secret.into(), note: "visible-note" };
    let headers = BTreeMap::from([
        ("authorization", format!("Basic {secret}")),
        ("cookie", secret.to_owned()),
        ("x-forwarded", format!("Bearer {secret}")),
        ("x-api-key", secret.to_owned()),
    ]);
    log_in(&login, &headers, secret, secret, Secret::new(secret));
    let _ = fetch(&format!("postgres://app:{secret}@db/visible-table"), secret);
    let _ = catch_unwind(AssertUnwindSafe(|| collapse(secret)));
    ask(&format!("what is sk-{secret}?"));
    execute(secret);
    pass_on(secret);
    gather(secret, &[format!("Bearer {secret}"), "visible-word".into()]);
    if stay {
        writeln!(std::io::stdout(), "ready").expect("somebody reads");
        std::io::stdout().flush().expect("somebody listens");
        std::thread::sleep(Duration::from_secs(600));
    }
}

fn main() {
    // What a panic says of itself is the program's own affair.
    std::panic::set_hook(Box::new(|_| {}));
    let guard = spanwright::init();
    let secret = std::env::var("CONFIDED").expect("somebody confides in us");
    confiding_workflow(&secret, std::env::args().nth(1).is_some_and(|what| what == "stay"));
    guard.flush(Duration::from_secs(20));
}
