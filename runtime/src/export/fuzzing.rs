//! What a server answers, what our own certificates hold, and what is sent of a stored span.

use std::time::Duration;

use super::http::{Endpoint, Failure, Http, Login, Request, SHOWN_CHARS, Tls, explain};
use super::mlflow::{self, TraceFacts, TraceSummary};
use crate::planted::{PLANTED, text_with_secrets};
use crate::tree;

const USER: &str = "ann";

/// A span that comes out of the store goes to a server and onto a screen, whatever it says of itself.
pub(crate) fn record(bytes: &[u8]) {
    let Some(record) = crate::store::fuzzing::record(bytes) else { return };
    let spans = [record];
    let request = mlflow::spans_request("service", spans.iter().map(|span| (span, TraceFacts::default())));
    assert!(request.len() <= 4096 + 64 * bytes.len(), "{} bytes", request.len());
    drop(TraceSummary::of("7", None, &spans));
    let lines = tree::render(&spans, tree::Style::drawn()).lines().count();
    // A span whose parent is not there stands below a line that says so.
    assert_eq!(lines, 1 + usize::from(spans[0].parent_id.is_some()));
}

/// The body of any answer is read as each answer we ask for; what is said of it is short and shows no credential.
pub(crate) fn reply(bytes: &[u8]) {
    let body = text_with_secrets(bytes);
    let (_, said) = explain(body.as_bytes());
    assert_shown(&client("http://server").scrub(said));
    mlflow::fuzzing::reply(body.as_bytes());
}

/// Any bytes for an answer on a real connection: an error at most, and one that can be shown.
pub(crate) fn http(bytes: &[u8]) {
    use std::io::{Read as _, Write as _};

    let reply = text_with_secrets(bytes);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            let mut request = [0; 1024];
            // The whole request fits; the client may be gone before the answer is out.
            let _ = stream.read(&mut request).and_then(|_| stream.write_all(reply.as_bytes()));
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let sent = runtime.block_on(client(&base).send("ask", Request::default()));
        if let Err(failure) = sent {
            assert_shown(&failure.to_string());
            assert_shown_error(failure, &base);
        }
    });
}

fn assert_shown_error(failure: Failure, base: &str) {
    failure.verdict();
    let error = format!("{:#}", failure.into_error(base));
    assert!(!error.contains(PLANTED), "{error}");
}

fn client(base: &str) -> Http {
    let login = Login::Basic { user: USER.into(), password: PLANTED.into() };
    let request_timeout = Duration::from_secs(5);
    Http::new(Endpoint { base: base.into(), login: Some(login), request_timeout, ..Endpoint::default() })
        .expect("a client")
}

fn assert_shown(text: &str) {
    // The status and its name may stand before it.
    assert!(text.chars().count() <= SHOWN_CHARS + 64, "{text}");
    assert!(!text.contains(PLANTED) && !text.contains(char::is_control), "{text:?}");
}

/// A certificate or key that cannot be used is refused, and nothing of it is shown.
pub(crate) fn certificate(bytes: &[u8]) {
    for tls in [
        Tls { roots: Some(bytes.to_vec()), ..Tls::default() },
        Tls { client: Some(bytes.to_vec()), accept_any_certificate: true, ..Tls::default() },
    ] {
        if let Err(error) = tls.client_config(true) {
            let said = format!("{error:#}");
            assert!(said.len() < 300 && !said.contains(char::is_control), "{said}");
        }
    }
}
