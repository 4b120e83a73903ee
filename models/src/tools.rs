//! Tools an agent may call: what the model is told of them, and the functions behind.

use std::fmt::{self, Display};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use spanwright::__private as p;

use crate::chat::{ToolCall, ToolDefinition};
use crate::named;

type Answering = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

#[derive(Clone)]
struct Tool {
    definition: ToolDefinition,
    call: Arc<dyn Fn(Value) -> Answering + Send + Sync>,
}

/// The tools of an agent. Each call of one is a span of its name.
///
/// ```
/// use serde_json::{Value, json};
/// use spanwright_models::{ToolDefinition, Tools};
///
/// async fn weather(arguments: Value) -> Result<String, String> {
///     let city = arguments["city"].as_str().ok_or("which city?")?;
///     Ok(format!("3 °C in {city}"))
/// }
///
/// let city = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
/// let tools = Tools::new().with(ToolDefinition::new("weather", "The weather of a city.", city), weather);
/// assert_eq!(tools.definitions().count(), 1);
/// ```
#[derive(Clone, Default)]
pub struct Tools(Vec<Tool>);

impl Tools {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; one of the same name takes the place of an earlier one. It is given the arguments the model wrote, an object; what it returns goes to
    /// the model as text or JSON, its error as text, with which the model can go on.
    #[must_use]
    pub fn with<T, E, F>(
        mut self,
        definition: ToolDefinition,
        call: impl Fn(Value) -> F + Send + Sync + 'static,
    ) -> Self
    where
        T: Serialize,
        E: Display,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.0.retain(|known| known.definition.name != definition.name);
        let call = Arc::new(move |arguments| -> Answering {
            let answering = call(arguments);
            Box::pin(async move {
                let answer = answering.await.map_err(|error| error.to_string())?;
                serde_json::to_value(answer).map_err(|error| format!("its answer cannot be told: {error}"))
            })
        });
        self.0.push(Tool { definition, call });
        self
    }

    /// What the model is told of them.
    pub fn definitions(&self) -> impl Iterator<Item = &ToolDefinition> {
        self.0.iter().map(|tool| &tool.definition)
    }

    /// Calls a tool as a model wants it, and says what came of it, in words for the model.
    pub(crate) async fn call(&self, call: &ToolCall) -> String {
        let arguments = match call.arguments.trim() {
            "" => Ok(Value::Object(serde_json::Map::new())),
            text => serde_json::from_str(text),
        };
        let shown = arguments.as_ref().map_or_else(|_| Value::from(call.arguments.as_str()), Value::clone);
        let site = named::tool(&call.name);
        let span = site.start(&[site.arg(&shown).get()]);
        let called = async {
            let tool = self.0.iter().find(|tool| tool.definition.name == call.name);
            let tool = tool.ok_or_else(|| format!("there is no tool `{}`", call.name))?;
            let arguments = arguments.map_err(|error| format!("the arguments are not JSON: {error}"))?;
            (tool.call)(arguments).await
        };
        match p::future(span, called, |r: &Result<Value, String>| p::ret(r).ok().get()).await {
            Ok(Value::String(text)) => text,
            Ok(value) => value.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|tool| &tool.definition.name)).finish()
    }
}
