//! One HTTP connection to one server: TLS, credentials, time limits, and what a failure means for the sender.
//!
//! In: method, path, headers, body. Out: the reply of a 2xx, else a [`Failure`] that says whether sending again can help.
//! Credentials go to the configured host only: no redirect is followed, and without TLS they pass no proxy of the environment.
//! No MLflow name is known here beyond the shapes of its error bodies.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Kind};

/// MLflow's server closes an idle connection after 5 s; a connection is given up before that.
const IDLE: Duration = Duration::from_millis(3_500);
const CONNECT: Duration = Duration::from_secs(2);
/// More than MLflow answers to anything we ask.
const REPLY_BYTES: usize = 64 << 20;
/// Of an error body, as much as is read and as much as is shown: it may hold SQL and its parameters.
const ERROR_BODY_BYTES: usize = 64 * 1024;
pub(super) const SHOWN_CHARS: usize = 240;

/// What is needed to speak to one server.
#[derive(Clone, Default)]
pub(crate) struct Endpoint {
    /// `scheme://host:port/prefix`, without credentials and without a slash at the end.
    pub(crate) base: String,
    pub(crate) login: Option<Login>,
    /// Sent with every request.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) tls: Tls,
    /// For one whole request; a first model call can keep MLflow busy for 7 s, a locked database for 20 s.
    pub(crate) request_timeout: Duration,
}

/// Who we are to the server.
#[derive(Clone)]
pub(crate) enum Login {
    Basic { user: String, password: String },
    Bearer(String),
}

/// How the server is trusted. All in PEM.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    pub(crate) accept_any_certificate: bool,
    pub(crate) roots: Option<Vec<u8>>,
    /// Certificate chain and private key of the client.
    pub(crate) client: Option<Vec<u8>>,
}

/// A pooled connection to an [`Endpoint`].
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    endpoint: Arc<Endpoint>,
    common: HeaderMap,
}

/// One request; what is not set is empty.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why a request did not succeed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure {
    /// What was tried, as "create the run".
    pub(crate) operation: &'static str,
    /// The status, unless no answer came.
    pub(crate) status: Option<u16>,
    /// MLflow's word for it, where it gave one.
    pub(crate) code: Option<String>,
    /// For people; short and without credentials.
    pub(crate) detail: String,
    /// How long the server asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// Time ran out, which a new connection will not change.
    pub(crate) timed_out: bool,
}

/// What a failure means for the sender of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is wrong with the request: send it again after a while.
    Again,
    /// The same, though some servers say so of a request they will never take.
    AgainAFewTimes,
    /// Something in the request is not acceptable: send its parts.
    Split,
    /// Somebody must change a setting first; the spans wait.
    Hold,
}

impl Failure {
    pub(crate) fn verdict(&self) -> Verdict {
        match self.status {
            None | Some(408 | 425 | 429 | 502..=504) => Verdict::Again,
            // 501 is what a file store answers, for good.
            Some(501) => Verdict::Hold,
            Some(500..) => Verdict::AgainAFewTimes,
            Some(400 | 413 | 422) => Verdict::Split,
            Some(_) => Verdict::Hold,
        }
    }

    pub(crate) fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// The public error; `server` is the URI without credentials.
    pub(crate) fn into_error(self, server: &str) -> Error {
        let kind = match self.status {
            Some(401 | 403) => Kind::Unauthorized,
            Some(300..=499) => match self.verdict() {
                Verdict::Again => Kind::Unreachable,
                _ => Kind::Rejected,
            },
            None | Some(_) => Kind::Unreachable,
        };
        Error::new(kind, format!("cannot {} at {server}: {self}{}", self.operation, self.advice()))
    }

    fn advice(&self) -> &'static str {
        match self.status {
            Some(401) => "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
            Some(403) => "; the account needs the permission to edit the experiment",
            Some(300..=399 | 404 | 405) => "; check that MLFLOW_TRACKING_URI is the address of an MLflow server",
            _ => "",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => {
                let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
                write!(f, "{status}{}{}", name.map_or("", |_| " "), name.unwrap_or_default())?;
                if !self.detail.is_empty() {
                    write!(f, " ({})", self.detail)?;
                }
                Ok(())
            }
            None => f.write_str(&self.detail),
        }
    }
}

impl Http {
    pub(crate) fn new(endpoint: Endpoint) -> Result<Self, Error> {
        let unusable = |what: &str, cause: String| Error::because(Kind::Config, what.to_owned(), cause);
        let mut common = HeaderMap::new();
        if let Some(login) = &endpoint.login {
            let mut value = HeaderValue::try_from(login.header())
                .map_err(|_| Error::new(Kind::Config, "the credentials hold a character that HTTP cannot carry"))?;
            value.set_sensitive(true);
            common.insert(AUTHORIZATION, value);
        }
        for (name, value) in &endpoint.headers {
            let value = HeaderValue::try_from(value)
                .map_err(|error| unusable(&format!("the value of {name} cannot be sent"), error.to_string()))?;
            common.insert(HeaderName::from_static(name), value);
        }
        let tls = endpoint.tls.client_config(endpoint.base.starts_with("https://"))?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("spanwright/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .connect_timeout(CONNECT)
            .timeout(endpoint.request_timeout);
        if is_loopback(&endpoint.base) || (endpoint.login.is_some() && !endpoint.base.starts_with("https://")) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| unusable("prepare the HTTP client", chain(error)))?;
        Ok(Self { client, endpoint: Arc::new(endpoint), common })
    }

    /// The server's address without credentials.
    pub(crate) fn base(&self) -> &str {
        &self.endpoint.base
    }

    /// Sends one request and reads the whole body of a 2xx.
    pub(crate) async fn send(&self, operation: &'static str, request: Request) -> Result<Vec<u8>, Failure> {
        let unanswered = |error: reqwest::Error| Failure {
            operation,
            timed_out: error.is_timeout(),
            detail: if error.is_timeout() { "no answer in time".to_owned() } else { self.scrub(chain(error)) },
            ..Failure::default()
        };
        let mut builder = self
            .client
            .request(request.method, format!("{}{}", self.endpoint.base, request.path))
            .headers(self.common.clone());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body);
        }
        let mut reply = builder.send().await.map_err(unanswered)?;
        let status = reply.status();
        if status.is_success() {
            let mut body = Vec::new();
            while let Some(chunk) = reply.chunk().await.map_err(unanswered)? {
                if body.len() + chunk.len() > REPLY_BYTES {
                    let detail = format!("its reply is longer than {} MiB", REPLY_BYTES >> 20);
                    return Err(Failure { operation, status: Some(status.as_u16()), detail, ..Failure::default() });
                }
                body.extend_from_slice(&chunk);
            }
            return Ok(body);
        }
        let retry_after = reply.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let location = reply.headers().get(reqwest::header::LOCATION).and_then(|value| value.to_str().ok());
        let redirect = location.filter(|_| status.is_redirection()).map(|to| {
            // A location may carry a session in its query.
            format!("it redirects to {}", to.split(['?', '#']).next().unwrap_or_default())
        });
        let mut body = Vec::new();
        // What is missing of an error body changes the message only.
        while let Ok(Some(chunk)) = reply.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= ERROR_BODY_BYTES {
                break;
            }
        }
        let (code, detail) = explain(&body);
        Err(Failure {
            operation,
            status: Some(status.as_u16()),
            code,
            detail: self.scrub(redirect.unwrap_or(detail)),
            retry_after: retry_after.map(Duration::from_secs),
            timed_out: false,
        })
    }

    /// Makes a text fit to be shown: one line, short, without what we log in with, should a server echo it.
    pub(super) fn scrub(&self, mut text: String) -> String {
        if let Some(login) = &self.endpoint.login {
            for secret in login.secrets().iter().filter(|secret| !secret.is_empty()) {
                text = text.replace(secret.as_str(), "***");
            }
        }
        // A terminal obeys control characters.
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let one_line = words.collect::<Vec<_>>().join(" ");
        match one_line.char_indices().nth(SHOWN_CHARS) {
            Some((cut, _)) => format!("{}…", &one_line[..cut]),
            None => one_line,
        }
    }
}

impl Login {
    fn header(&self) -> String {
        match self {
            Self::Basic { user, password } => format!("Basic {}", base64(format!("{user}:{password}").as_bytes())),
            Self::Bearer(token) => format!("Bearer {token}"),
        }
    }

    fn secrets(&self) -> Vec<String> {
        match self {
            Self::Basic { user, password } => {
                vec![base64(format!("{user}:{password}").as_bytes()), password.clone()]
            }
            Self::Bearer(token) => vec![token.clone()],
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().enumerate().fold(0u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at)) as usize & 63];
            text.push(if at > group.len() { '=' } else { digit.into() });
        }
    }
    text
}

fn is_loopback(base: &str) -> bool {
    let authority = base.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    let host =
        authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(authority, |(host, _)| host);
    host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An error with its causes, without the URL it was about.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// The code and message of an error body, which comes as MLflow JSON, FastAPI JSON, plain text or HTML.
pub(super) fn explain(body: &[u8]) -> (Option<String>, String) {
    let text = String::from_utf8_lossy(body);
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
        let code = json["error_code"].as_str().map(str::to_owned);
        let message = match (&json["message"], &json["detail"]) {
            (serde_json::Value::String(message), _) | (_, serde_json::Value::String(message)) => message.clone(),
            // Of a list of complaints about fields the first names the cause.
            (_, serde_json::Value::Array(list)) => list
                .first()
                .map(|first| {
                    first["msg"].as_str().map_or_else(|| first.to_string(), |msg| format!("{msg}: {}", first["loc"]))
                })
                .unwrap_or_default(),
            _ => code.clone().unwrap_or_default(),
        };
        return (code, message);
    }
    let trimmed = text.trim_start();
    if trimmed.starts_with('<') {
        let title =
            trimmed.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title);
        return (None, title.unwrap_or("an HTML page").to_owned());
    }
    (None, text.into_owned())
}

impl Tls {
    /// The whole TLS setup as one value, so that no process-wide provider is installed in somebody's program.
    pub(super) fn client_config(&self, needed: bool) -> Result<ClientConfig, Error> {
        let unusable =
            |what: &'static str| move |cause: &dyn fmt::Display| Error::because(Kind::Config, what, cause.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable("prepare TLS")(&error))?;
        let builder = if self.accept_any_certificate {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(if needed { self.root_store()? } else { RootCertStore::empty() })
        };
        let Some(pem) = self.client.as_deref().filter(|_| needed) else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|error| {
            unusable("read the client certificate (MLFLOW_TRACKING_CLIENT_CERT_PATH)")(&what_is_wrong(&error))
        })?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
            unusable("read the client's private key (MLFLOW_TRACKING_CLIENT_CERT_PATH)")(&what_is_wrong(&error))
        })?;
        builder.with_client_auth_cert(chain, key).map_err(|error| unusable("use the client certificate")(&error))
    }

    fn root_store(&self) -> Result<RootCertStore, Error> {
        let mut store = RootCertStore::empty();
        let Some(pem) = &self.roots else {
            // Certificates the system has and rustls does not understand are its own affair.
            let (_usable, _ignored) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok(store);
        };
        let unusable = |cause: String| {
            Error::because(Kind::Config, "read the certificates in MLFLOW_TRACKING_SERVER_CERT_PATH", cause)
        };
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unusable(what_is_wrong(&error).to_owned()))?;
            store.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        if store.is_empty() { Err(unusable("there is none in the file".to_owned())) } else { Ok(store) }
    }
}

/// What is wrong with a PEM file. Its own error shows the line, in which a key may stand.
fn what_is_wrong(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section of it has no end",
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section does not end with `-----`",
        pem::Error::Base64Decode(_) => "what stands in a section of it is not base64",
        pem::Error::NoItemsFound => "there is none in the file",
        _ => "it is not PEM",
    }
}

/// `MLFLOW_TRACKING_INSECURE_TLS`: signatures are checked, who signed is not.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_error_body_gives_its_message() {
        let cases: [(&str, Option<&str>, &str); 6] = [
            (
                r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No Experiment with id=9"}"#,
                Some("RESOURCE_DOES_NOT_EXIST"),
                "No Experiment with id=9",
            ),
            (r#"{"detail":"Invalid OpenTelemetry format"}"#, None, "Invalid OpenTelemetry format"),
            (
                r#"{"detail":[{"loc":["header","x"],"msg":"Field required"}]}"#,
                None,
                r#"Field required: ["header","x"]"#,
            ),
            ("Internal Server Error", None, "Internal Server Error"),
            ("<!doctype html>\n<title>404 Not Found</title><h1>", None, "404 Not Found"),
            ("", None, ""),
        ];
        for (body, code, message) in cases {
            assert_eq!(explain(body.as_bytes()), (code.map(str::to_owned), message.to_owned()), "{body}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_holds_no_credential() {
        let login = Login::Basic { user: "ann".into(), password: "pa55word".into() };
        let http = Http::new(Endpoint { base: "http://127.0.0.1:1".into(), login: Some(login), ..Endpoint::default() })
            .expect("a client");
        let echoed = format!("bad header Basic YW5uOnBhNTV3b3Jk\nof pa55word {}", "x".repeat(1000));
        let shown = http.scrub(echoed);
        assert!(!shown.contains("pa55word") && !shown.contains("YW5uOnBhNTV3b3Jk"), "{shown}");
        assert!(!shown.contains('\n') && shown.chars().count() <= SHOWN_CHARS + 1, "{shown}");
    }

    #[test]
    fn base64_follows_the_rfc() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("é:ü", "w6k6w7w=")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn loopback_is_known_in_every_spelling() {
        for base in ["http://localhost:5000", "http://127.0.0.1/mlflow", "https://[::1]:5000", "http://[::1]"] {
            assert!(is_loopback(base), "{base}");
        }
        assert!(!is_loopback("http://mlflow.example:5000") && !is_loopback("http://localhost.example"));
    }
}
