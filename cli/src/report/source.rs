//! Where the runs of a report come from: the store, or an MLflow server.

use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::json;
use spanwright::config::{Config, Experiment};
use spanwright::cost::ATTRIBUTES;
use spanwright::export::Client;
use spanwright::store::{BriefFilter, Store, TraceBrief};
use spanwright_prices::PriceTable;

use crate::failure::Failure;
use crate::place::Place;
use crate::tree;

/// What the experiment is called that every server has, and its number.
const DEFAULT: [&str; 2] = ["Default", "0"];

const IN_FULL: &str = "a server is asked for a trace by all 32 digits of its id; the MLflow page of the trace shows it";

/// Where runs come from.
pub struct Source {
    from: From,
    config: Config,
}

enum From {
    Store(Store),
    Server(Box<Client>),
}

impl Source {
    /// The server at `uri`, else the store.
    pub fn of(store: Option<&Path>, uri: Option<&str>) -> Result<Self, Failure> {
        let place = Place::here(store, uri);
        let from = match uri {
            None => From::Store(place.store_with_traces()?),
            Some(_) => {
                place.check_destination(uri)?;
                From::Server(Box::new(Client::connect(&place.config)?))
            }
        };
        Ok(Self { from, config: place.config })
    }

    /// The prices in force.
    pub fn prices(&self) -> Result<PriceTable, Failure> {
        Ok(self.config.price_table()?)
    }

    /// Shows each run the filter lets through to `each`.
    pub fn each(
        &self,
        filter: &BriefFilter,
        experiment: Option<&str>,
        mut each: impl FnMut(&TraceBrief<'_>) + Send,
    ) -> Result<(), Failure> {
        match &self.from {
            From::Server(client) => client.briefs(experiment, filter, each)?,
            From::Store(store) => store.briefs(filter, |run| {
                if experiment.is_none_or(|wanted| self.is_in(run, wanted)) {
                    each(run);
                }
            })?,
        }
        Ok(())
    }

    /// One run, by the id of its trace or of the run.
    pub fn one(&self, id: &str) -> Result<TraceBrief<'static>, Failure> {
        let mut found = None;
        let mut keep = |run: &TraceBrief<'_>| found = Some(run.to_static());
        let filter = |trace| BriefFilter { trace: Some(trace), whole_if: ATTRIBUTES, ..BriefFilter::default() };
        match &self.from {
            From::Server(client) => {
                let digits = id.strip_prefix("tr-").unwrap_or(id);
                let trace = digits.parse().map_err(|_| Failure::said(format!("`{id}` is no trace id"), IN_FULL))?;
                client.briefs(None, &filter(trace), keep)?;
            }
            From::Store(store) => {
                let trace = match store.trace_of_run(id)? {
                    Some(trace) => trace,
                    None => tree::named(store, id)?,
                };
                store.briefs(&filter(trace.trace_id), |run| keep(run))?;
            }
        }
        found.ok_or_else(|| Failure::said(format!("there is no trace {id} in {self}"), IN_FULL))
    }

    /// Whether a stored run is of this experiment, its own or the configured one.
    fn is_in(&self, run: &TraceBrief<'_>, wanted: &str) -> bool {
        let configured = match &self.config.experiment.value {
            Some(Experiment::Id(text) | Experiment::Name(text)) => Some(text.as_str()),
            None => None,
        };
        match run.experiment.as_deref().or(configured) {
            Some(experiment) => experiment == wanted,
            None => DEFAULT.contains(&wanted),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            From::Server(client) => f.write_str(client.server()),
            From::Store(_) => f.write_str("the store"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.from {
            From::Server(client) => json!({"server": client.server()}).serialize(to),
            From::Store(store) => json!({"store": store.folder()}).serialize(to),
        }
    }
}
