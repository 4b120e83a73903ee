//! What another program wrote down becomes what a call of this one would have left.
//!
//! In: values read from a transcript or a log, and the [`Config`]. Out: JSON and text of a [`SpanRecord`](crate::record::SpanRecord), within the same
//! limits and with the same things redacted as where a traced program captures them.

use serde::Serialize;

use crate::capture::{self, Policy, Rules};
use crate::chunk::MAX_VALUE_BYTES;
use crate::config::Config;
use crate::id::{Share, TraceId};
use crate::record::Json;
#[cfg(feature = "store")]
use crate::record::ModelCallCost;
use crate::tape::{self, Tape};

/// What is captured, and how much of it, by configuration.
pub(crate) fn policy(config: &Config) -> Policy {
    Policy {
        cap: config.capture.value,
        full_bytes: config.max_value_bytes.value.min(MAX_VALUE_BYTES),
        run_name: config.run_name.value.clone(),
        rules: config.redact.value.iter().fold(Rules::new(), |rules, words| rules.redact(words)),
        ..Policy::default()
    }
}

/// Captures values that no call of this process had, for span records made by hand.
///
/// ```
/// use spanwright::Retelling;
/// use spanwright::config::{Config, Overrides};
///
/// let (config, _) = Config::load(Overrides::default(), &|_| None, std::path::Path::new("/"));
/// let mut retelling = Retelling::new(&config);
/// let input = serde_json::json!({"city": "Oslo", "password": "hunter2"});
/// let captured = retelling.value(&input).expect("values are captured by default");
/// assert_eq!(captured.as_str(), r#"{"city":"Oslo","password":{"$redacted":"password"}}"#);
/// ```
#[derive(Debug)]
pub struct Retelling {
    policy: Policy,
    share: Share,
    tape: Tape,
    /// The user's own prices over the built-in ones, where there are some.
    #[cfg(feature = "store")]
    prices: Option<spanwright_prices::PriceTable>,
}

impl Retelling {
    /// As `config` has it.
    pub fn new(config: &Config) -> Self {
        let policy = policy(config);
        Self {
            policy: if config.log_prompts.value { policy } else { policy.discreet() },
            share: Share::of(config.sampling_ratio.value),
            tape: Tape::default(),
            #[cfg(feature = "store")]
            prices: config.own_prices(),
        }
    }

    /// Whether the sampling ratio keeps a trace of this id: a traced program decides by the same.
    pub fn keeps(&self, trace: TraceId) -> bool {
        self.share.has(trace)
    }

    /// A value in full, as far as the configuration allows; `None` if values are not captured at all. JSON text in it
    /// (`serde_json::value::RawValue`) is read as what it means.
    pub fn value(&mut self, value: &impl Serialize) -> Option<Json> {
        self.tape.clear();
        capture::value(&mut self.tape, &value, crate::callsite::Capture::Full, &self.policy);
        tape::output(&self.tape, false)
    }

    /// What a model call cost, by the prices in force; `None` if its model has none.
    #[cfg(feature = "store")]
    pub fn cost(
        &self,
        provider: Option<&str>,
        model: &str,
        tokens: &spanwright_prices::Tokens,
    ) -> Option<ModelCallCost> {
        let prices = self.prices.as_ref().unwrap_or_else(|| spanwright_prices::PriceTable::builtin());
        let cost = prices.cost(provider, model, tokens)?;
        Some(ModelCallCost { input: cost.all_input(), output: cost.output() })
    }

    /// A text that is recorded whatever may be captured, such as that of an error: its first `max_chars` characters, credentials redacted.
    pub fn text(&mut self, text: &str, max_chars: usize) -> String {
        self.tape.clear();
        capture::text(&mut self.tape, text, max_chars, &self.policy);
        tape::text(&self.tape)
    }
}
