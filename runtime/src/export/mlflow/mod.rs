//! MLflow's server: the one place that knows its URL paths and, in the modules below, its `mlflow.*` names.
//!
//! In: span records and what a trace or a run says of itself. Out: requests, and from the replies ids and states. A 2xx to spans means
//! that they are stored; its body says nothing and is not read.

mod answered;
mod artifacts;
mod assessments;
mod briefs;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub(super) mod fuzzing;
pub mod names;
mod running;
mod runs;
mod server;
mod spans;
mod text;
mod traces;
#[cfg(all(test, not(loom)))]
mod usage_tests;

use std::fmt;

use reqwest::Method;
use serde_json::{Value, json};

use super::http::{Endpoint, Failure, Http, Request, Verdict};
use crate::error::{Error, Kind};

pub use answered::Answered;
pub(crate) use assessments::Landed;
pub(crate) use running::Shown;
pub(crate) use runs::{RunEnd, RunLog, RunStart};
pub(crate) use server::Server;
pub(crate) use spans::{Encoder, TraceFacts, request as spans_request, request_of};
pub(crate) use traces::TraceSummary;

/// An MLflow server as a client sees it.
#[derive(Clone)]
pub(crate) struct Mlflow {
    http: Http,
}

/// Why MLflow did not do what was asked.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// The request failed.
    Http(Failure),
    /// Somebody must change something first.
    Said(Error),
}

impl Trouble {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Http(failure) => failure.verdict(),
            Self::Said(_) => Verdict::Hold,
        }
    }

    pub(crate) fn into_error(self, server: &str) -> Error {
        match self {
            Self::Http(failure) => failure.into_error(server),
            Self::Said(error) => error,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(failure) => write!(f, "{failure}"),
            Self::Said(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Http(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

/// Where traces of a program go on the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ExperimentRef {
    Id(String),
    Name(String),
    /// A text that may be either, as an attribute gives it.
    Either(String),
    /// The one every MLflow server has.
    Default,
}

impl Mlflow {
    pub(crate) fn new(endpoint: Endpoint) -> Result<Self, Error> {
        Http::new(endpoint).map(|http| Self { http })
    }

    /// The server's address without credentials.
    pub(crate) fn base(&self) -> &str {
        self.http.base()
    }

    /// Sends spans. `run` links the traces whose root is among them (server 3.14).
    pub(crate) async fn send_spans(&self, experiment: &str, run: Option<&str>, body: Vec<u8>) -> Result<(), Failure> {
        // The server answers 200 to an empty id and stores nothing.
        if experiment.is_empty() {
            return Err(Failure {
                operation: "send spans",
                status: Some(400),
                detail: "no experiment id".to_owned(),
                ..Failure::default()
            });
        }
        let mut headers = vec![
            ("content-type", "application/x-protobuf".to_owned()),
            ("x-mlflow-experiment-id", experiment.to_owned()),
        ];
        headers.extend(run.map(|run| ("x-mlflow-run-id", run.to_owned())));
        let request = Request { method: Method::POST, path: "/v1/traces".into(), headers, body };
        self.http.send("send spans", request).await.map(drop)
    }

    /// Whether the server takes spans at all: an empty message, which stores nothing.
    pub(crate) async fn takes_spans(&self, experiment: &str) -> bool {
        // Field 1, length 0: one resource without spans. A body of nothing is refused as malformed.
        self.send_spans(experiment, None, vec![0x0a, 0x00]).await.is_ok()
    }

    /// The id of an experiment, created if its name is new.
    pub(crate) async fn experiment_id(&self, wanted: &ExperimentRef) -> Result<String, Trouble> {
        let found = match wanted {
            ExperimentRef::Default => self.experiment_by_id("0").await?,
            ExperimentRef::Id(id) => self.experiment_by_id(id).await?,
            ExperimentRef::Name(name) => self.experiment_by_name(name).await?,
            ExperimentRef::Either(text) => {
                let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                match if is_number { self.experiment_by_id(text).await? } else { None } {
                    Some(found) => Some(found),
                    None => self.experiment_by_name(text).await?,
                }
            }
        };
        match (found, wanted) {
            (Some(found), _) => found.usable(self.base()),
            (None, ExperimentRef::Name(name) | ExperimentRef::Either(name)) => self.create_experiment(name).await,
            (None, ExperimentRef::Id(id)) => Err(Error::new(
                Kind::State,
                format!("there is no experiment with id {id} at {}; set MLFLOW_EXPERIMENT_ID to one that exists, or MLFLOW_EXPERIMENT_NAME to have one created", self.base()),
            )
            .into()),
            (None, ExperimentRef::Default) => Err(Error::new(
                Kind::State,
                format!("the default experiment is gone at {}; set MLFLOW_EXPERIMENT_NAME", self.base()),
            )
            .into()),
        }
    }

    async fn create_experiment(&self, name: &str) -> Result<String, Trouble> {
        let created =
            self.post("create the experiment", "/api/2.0/mlflow/experiments/create", &json!({ "name": name })).await;
        match created {
            Ok(reply) => Ok(text_of(&reply["experiment_id"], "create the experiment")?),
            // Somebody was quicker.
            Err(failure) if failure.is_code("RESOURCE_ALREADY_EXISTS") => match self.experiment_by_name(name).await? {
                Some(found) => found.usable(self.base()),
                None => Err(failure.into()),
            },
            Err(failure) => Err(failure.into()),
        }
    }

    async fn experiment_by_name(&self, name: &str) -> Result<Option<Experiment>, Failure> {
        let path = format!("/api/2.0/mlflow/experiments/get-by-name?experiment_name={}", encoded(name));
        self.experiment_at(&path).await
    }

    async fn experiment_by_id(&self, id: &str) -> Result<Option<Experiment>, Failure> {
        self.experiment_at(&format!("/api/2.0/mlflow/experiments/get?experiment_id={}", encoded(id))).await
    }

    async fn experiment_at(&self, path: &str) -> Result<Option<Experiment>, Failure> {
        const OPERATION: &str = "look up the experiment";
        match self.get(OPERATION, path).await {
            Ok(reply) => Experiment::of(&reply["experiment"], OPERATION).map(Some),
            // A 404 without MLflow's word for it comes from something else than MLflow.
            Err(failure) if failure.is_code("RESOURCE_DOES_NOT_EXIST") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn get(&self, operation: &'static str, path: &str) -> Result<Value, Failure> {
        let request = Request { method: Method::GET, path: path.to_owned(), ..Request::default() };
        json_of(operation, &self.http.send(operation, request).await?)
    }

    async fn post(&self, operation: &'static str, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = Request {
            method: Method::POST,
            path: path.to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        };
        json_of(operation, &self.http.send(operation, request).await?)
    }
}

struct Experiment {
    id: String,
    name: String,
    is_deleted: bool,
}

impl Experiment {
    fn of(said: &Value, operation: &'static str) -> Result<Self, Failure> {
        Ok(Self {
            id: text_of(&said["experiment_id"], operation)?,
            name: said["name"].as_str().unwrap_or_default().to_owned(),
            is_deleted: said["lifecycle_stage"] == "deleted",
        })
    }

    /// The id, unless the experiment is deleted: the server would take spans into it that nobody sees.
    fn usable(self, server: &str) -> Result<String, Trouble> {
        if !self.is_deleted {
            return Ok(self.id);
        }
        let Self { id, name, .. } = self;
        Err(Error::new(
            Kind::State,
            format!("the experiment `{name}` (id {id}) is deleted at {server}; restore it with `mlflow experiments restore --experiment-id {id}`, or set MLFLOW_EXPERIMENT_NAME to another"),
        )
        .into())
    }
}

fn json_of(operation: &'static str, body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|_| unexpected(operation))
}

fn text_of(value: &Value, operation: &'static str) -> Result<String, Failure> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(unexpected(operation)),
    }
}

/// A success that does not read like MLflow's.
fn unexpected(operation: &'static str) -> Failure {
    Failure {
        operation,
        status: Some(200),
        detail: "the reply is not MLflow's; is MLFLOW_TRACKING_URI the address of an MLflow server?".to_owned(),
        ..Failure::default()
    }
}

/// A text as one part of a query.
fn encoded(text: &str) -> String {
    use fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            // Writing to a String cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}
