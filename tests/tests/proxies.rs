//! Proxies that the environment names: what they get to see of us.

use std::path::Path;
use std::process::Command;

use spanwright_tests::faults::{Act, Faulty};
use tempfile::TempDir;

const TOKEN: &str = "pr0xy-token";

/// A proxy that refuses to connect further, and what it was asked by a program that traces to `server`.
fn proxied(server: &str, settings: &[(&str, &str)]) -> (Vec<spanwright_tests::faults::Seen>, String) {
    let proxy = Faulty::start(|_, _| Act::status(502));
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    command.args(["steps", "3"]).current_dir(folder.path()).env_clear().env("MLFLOW_TRACKING_URI", server);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        command.env(name, proxy.uri());
    }
    let output = command.envs(settings.iter().copied()).output().expect("started");
    assert!(output.status.success(), "{output:?}");
    assert!(Path::new(&folder.path().join(".spanwright/store.db")).exists(), "everything is kept");
    (proxy.seen(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_proxy_of_the_environment_never_sees_a_credential() {
    let token = [("MLFLOW_TRACKING_TOKEN", TOKEN)];
    let (seen, said) = proxied("http://mlflow.invalid:5000", &token);
    assert!(seen.is_empty(), "without TLS the credentials go to the server or to nobody: {seen:?}");
    assert!(said.contains("mlflow.invalid"), "{said}");

    let (seen, _) = proxied("https://mlflow.invalid:5000", &token);
    assert!(
        !seen.is_empty() && seen.iter().all(|seen| seen.method == "CONNECT"),
        "inside of TLS they pass it: {seen:?}"
    );
    assert!(seen.iter().all(|seen| !format!("{seen:?}").contains(TOKEN)), "{seen:?}");

    let (seen, _) = proxied("http://mlflow.invalid:5000", &[]);
    assert!(!seen.is_empty(), "without credentials there is nothing to keep from it");

    let (seen, _) = proxied("http://127.0.0.1:9", &[]);
    assert!(seen.is_empty(), "this machine is reached without a proxy");
}
