//! A server that sends us elsewhere: nobody but the configured server hears of us.

use std::time::Instant;

use spanwright::config::Credentials;
use spanwright::export::{Client, push};
use spanwright::store::Adopt;
use spanwright_tests::faults::{Act, Faulty};

use crate::delivery::{Line, Trace, config};

const TOKEN: &str = "r3direct-token";

#[test]
fn no_redirect_is_followed_to_another_port_name_or_path_and_nothing_is_lost() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Faulty::start(|_, _| Act::status(200));
        let port = elsewhere.port();
        for to in [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}"), "/elsewhere".to_owned()] {
            let target = to.clone();
            let server = Faulty::start(move |seen, _| {
                Act::Answer(status, vec![("location", format!("{target}{}?token={TOKEN}", seen.path))], String::new())
            });
            let credentials = Credentials::Token(TOKEN.into());
            let line = Line::with_credentials(&server.uri(), "any", credentials.clone());
            line.put(&[Trace::new().root("flow")]);
            assert_eq!(line.flush().pending, 1, "{status} {to}");
            line.exporter().shutdown(Instant::now());
            let said = line.said();
            let [warning] = said.as_slice() else { panic!("{status} {to}: one warning, not {said:?}") };
            for part in [&server.uri(), &status.to_string(), "redirects", &to, "MLFLOW_TRACKING_URI"] {
                assert!(warning.contains(part), "{part}: {warning}");
            }
            let strict = config(&server.uri(), "any", |overrides| {
                overrides.credentials = Some(credentials);
                overrides.max_retries = Some(0);
            });
            let probed = Client::connect(&strict).expect("a client").probe().expect_err("it is elsewhere");
            let pushed = push(&line.store, &strict, Adopt::All, |_| {}).expect_err("it is elsewhere");
            for text in [warning.clone(), format!("{probed:#}"), format!("{pushed:#}")] {
                assert!(!text.contains(TOKEN), "{text}");
            }
            assert!(server.seen().iter().all(|seen| !seen.path.contains("elsewhere")), "{status} {to}");
            assert!(
                server.seen().iter().any(|seen| seen.header("authorization").is_some()),
                "it is the configured one"
            );
        }
        assert_eq!(elsewhere.seen().len(), 0, "{status}");
    }
}
