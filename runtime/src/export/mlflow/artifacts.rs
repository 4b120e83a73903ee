//! What the server keeps beside a trace and says of it: files, and its own figures.

use reqwest::Method;
use serde_json::Value;

use super::Mlflow;
use crate::cost::ServerFigures;
use crate::export::http::{Failure, Request};
use crate::id::TraceId;

const LOCATION: &str = "mlflow.artifactLocation";
const TOKENS: &str = "mlflow.trace.tokenUsage";
const COST: &str = "mlflow.trace.cost";
/// Files that are written by way of the server.
const BY_SERVER: &str = "mlflow-artifacts:";

impl Mlflow {
    /// Writes a file beside a trace. Nothing is written where the server has no such trace, or leaves its files to their writers.
    pub(crate) async fn put_trace_file(&self, trace: TraceId, name: &str, body: Vec<u8>) -> Result<(), Failure> {
        let Some(info) = self.trace_info(trace).await? else { return Ok(()) };
        let Some(folder) = info["tags"][LOCATION].as_str().and_then(folder_of) else { return Ok(()) };
        let headers = vec![("content-type", "application/json".to_owned())];
        let path = format!("/api/2.0/mlflow-artifacts/artifacts/{folder}/{name}");
        let request = Request { method: Method::PUT, path, headers, body };
        self.http.send("write a file beside the trace", request).await.map(drop)
    }

    /// What the server says a trace came to; `None` if it has no such trace.
    pub(crate) async fn figures(&self, trace: TraceId) -> Result<Option<ServerFigures>, Failure> {
        let Some(info) = self.trace_info(trace).await? else { return Ok(None) };
        let said = |key: &str| -> Value {
            let text = info["trace_metadata"][key].as_str().unwrap_or_default();
            serde_json::from_str(text).unwrap_or_default()
        };
        Ok(Some(ServerFigures {
            total_tokens: said(TOKENS)["total_tokens"].as_u64(),
            total_cost_usd: said(COST)["total_cost"].as_f64(),
        }))
    }

    async fn trace_info(&self, trace: TraceId) -> Result<Option<Value>, Failure> {
        let path = format!("/api/3.0/mlflow/traces/tr-{trace}");
        match self.get("look up the trace", &path).await {
            Ok(mut reply) => Ok(Some(reply["trace"]["trace_info"].take())),
            Err(failure) if failure.is_code("RESOURCE_DOES_NOT_EXIST") || failure.is_code("NOT_FOUND") => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// The folder of files in `mlflow-artifacts:/1/traces/…/artifacts`, with or without a host; `None` where another scheme says that the server
/// does not take them.
fn folder_of(location: &str) -> Option<&str> {
    let path = location.strip_prefix(BY_SERVER)?;
    let path = path.strip_prefix("//").map_or(path, |rest| rest.split_once('/').map_or("", |(_, path)| path));
    Some(path.trim_matches('/')).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_by_way_of_the_server_or_not_at_all() {
        assert_eq!(folder_of("mlflow-artifacts:/1/traces/tr-1/artifacts"), Some("1/traces/tr-1/artifacts"));
        assert_eq!(folder_of("mlflow-artifacts://host:5000/1/traces/x"), Some("1/traces/x"));
        assert_eq!(folder_of("s3://bucket/1/traces/x"), None);
        assert_eq!(folder_of("mlflow-artifacts:/"), None);
    }
}
