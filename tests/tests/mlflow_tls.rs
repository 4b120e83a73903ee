//! Who is trusted, and who we are, over TLS.

use spanwright::Error;
use spanwright::config::Overrides;
use spanwright::export::{Client, ServerInfo};
use spanwright_tests::tls::TlsServer;

use crate::delivery::config;

fn probe(server: &TlsServer, change: impl FnOnce(&mut Overrides)) -> Result<ServerInfo, Error> {
    Client::connect(&config(&server.uri(), "any", change))?.probe()
}

#[test]
fn a_server_is_trusted_by_its_authority_or_on_demand_and_not_otherwise() {
    let server = TlsServer::start(false);
    let error = probe(&server, |_| {}).expect_err("nobody vouches for it");
    assert!(error.is_unreachable() && error.to_string().contains("certificate"), "{error:#}");
    let trusted = probe(&server, |overrides| overrides.server_cert = Some(server.authority()));
    assert_eq!(trusted.expect("its authority vouches for it").version.as_deref(), Some("3.17.2"));
    let unasked = probe(&server, |overrides| overrides.insecure_tls = Some(true));
    assert_eq!(unasked.expect("nobody is asked").version.as_deref(), Some("3.17.2"));
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_demands_one() {
    let server = TlsServer::start(true);
    let trusting = |overrides: &mut Overrides| overrides.server_cert = Some(server.authority());
    assert!(probe(&server, trusting).expect_err("it demands one").is_unreachable());
    let known = probe(&server, |overrides| {
        trusting(overrides);
        overrides.client_cert = Some(server.client());
    });
    assert_eq!(known.expect("it knows us").version.as_deref(), Some("3.17.2"));
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let server = TlsServer::start(false);
    let missing = probe(&server, |overrides| overrides.server_cert = Some("/no/such.pem".into())).expect_err("no file");
    assert!(missing.is_config() && missing.to_string().contains("/no/such.pem"), "{missing:#}");
    let keyless =
        probe(&server, |overrides| overrides.client_cert = Some(server.authority())).expect_err("no key in it");
    assert!(keyless.is_config() && keyless.to_string().contains("MLFLOW_TRACKING_CLIENT_CERT_PATH"), "{keyless:#}");
}

#[test]
fn a_certificate_for_another_name_or_another_time_is_refused_though_its_authority_is_trusted() {
    for (server, cause) in [(TlsServer::start_elsewhere(), "name"), (TlsServer::start_expired(), "expired")] {
        let trusting = |overrides: &mut Overrides| overrides.server_cert = Some(server.authority());
        let error = probe(&server, trusting).expect_err(cause);
        let said = format!("{error:#}").to_lowercase();
        assert!(error.is_unreachable() && said.contains("certificate") && said.contains(cause), "{cause}: {said}");
        // It does answer: what stands in between is who it is.
        assert!(probe(&server, |overrides| overrides.insecure_tls = Some(true)).is_ok());
    }
}
