//! Tokens, as the replies of different providers tell them.

use serde_json::Value;

use super::Usage;

impl Usage {
    /// The tokens a reply of a model tells, or its `usage` object alone; `None` if it tells none.
    ///
    /// Three forms are known: `prompt_tokens` and `completion_tokens` (OpenAI's chat, and most that imitate it), `input_tokens` with
    /// `input_tokens_details` (OpenAI's responses), and `input_tokens` with `cache_read_input_tokens` (Anthropic), whose input leaves
    /// out what the cache has to do with: it is added here.
    ///
    /// ```
    /// use serde_json::json;
    /// use spanwright::record::Usage;
    ///
    /// let openai = json!({ "usage": { "prompt_tokens": 100, "completion_tokens": 5,
    ///     "prompt_tokens_details": { "cached_tokens": 60 } } });
    /// let anthropic = json!({ "usage": { "input_tokens": 40, "output_tokens": 5, "cache_read_input_tokens": 60 } });
    /// assert_eq!(Usage::from_reply(&openai), Usage::from_reply(&anthropic));
    /// ```
    pub fn from_reply(reply: &Value) -> Option<Self> {
        let usage = reply.get("usage").unwrap_or(reply);
        if usage.get("prompt_tokens").is_some() || usage.get("completion_tokens").is_some() {
            let of = |key| count(usage, &[key]);
            return Some(Self {
                input: of("prompt_tokens").unwrap_or(0),
                output: of("completion_tokens").unwrap_or(0),
                cache_read: count(usage, &["prompt_tokens_details", "cached_tokens"]),
                reasoning: count(usage, &["completion_tokens_details", "reasoning_tokens"]),
                ..Self::default()
            });
        }
        let (input, output) = (count(usage, &["input_tokens"]), count(usage, &["output_tokens"]));
        if input.is_none() && output.is_none() {
            return None;
        }
        let told = Self { input: input.unwrap_or(0), output: output.unwrap_or(0), ..Self::default() };
        let is_openai = usage.get("input_tokens_details").is_some() || usage.get("output_tokens_details").is_some();
        Some(if is_openai { told.of_openai(usage) } else { told.of_anthropic(usage) })
    }

    fn of_openai(self, usage: &Value) -> Self {
        Self {
            cache_read: count(usage, &["input_tokens_details", "cached_tokens"]),
            cache_write: count(usage, &["input_tokens_details", "cache_write_tokens"]),
            reasoning: count(usage, &["output_tokens_details", "reasoning_tokens"]),
            ..self
        }
    }

    fn of_anthropic(self, usage: &Value) -> Self {
        let cache_read = count(usage, &["cache_read_input_tokens"]);
        let cache_write = count(usage, &["cache_creation_input_tokens"]);
        let beside = cache_read.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
        Self {
            input: self.input.saturating_add(beside),
            cache_read,
            cache_write,
            cache_write_1h: count(usage, &["cache_creation", "ephemeral_1h_input_tokens"]),
            ..self
        }
    }
}

/// Tokens by what they cost, of a usage whose input has those of caches in it.
#[cfg(feature = "store")]
pub fn priced_tokens(usage: &Usage) -> spanwright_prices::Tokens {
    let count = |tokens: Option<u64>| tokens.unwrap_or(0);
    let (read, written, hour) = (count(usage.cache_read), count(usage.cache_write), count(usage.cache_write_1h));
    spanwright_prices::Tokens::of_whole_input(usage.input, usage.output, read, written, hour)
}

fn count(of: &Value, path: &[&str]) -> Option<u64> {
    path.iter().try_fold(of, |value, key| value.get(key))?.as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_cache_had_to_do_with_is_counted_once_whichever_provider_tells_it() {
        let chat = json!({"id": "c", "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 60}, "completion_tokens_details": {"reasoning_tokens": 7}}});
        let responses = json!({"input_tokens": 100, "output_tokens": 20,
            "input_tokens_details": {"cached_tokens": 60}, "output_tokens_details": {"reasoning_tokens": 7}});
        let same = Usage { input: 100, output: 20, cache_read: Some(60), reasoning: Some(7), ..Usage::default() };
        assert_eq!(Usage::from_reply(&chat), Some(same));
        assert_eq!(Usage::from_reply(&responses), Some(same));

        let anthropic = json!({"usage": {"input_tokens": 11, "output_tokens": 128, "cache_read_input_tokens": 27_136,
            "cache_creation_input_tokens": 5_330, "cache_creation": {"ephemeral_1h_input_tokens": 5_000}}});
        let all = Usage {
            input: 11 + 27_136 + 5_330,
            output: 128,
            cache_read: Some(27_136),
            cache_write: Some(5_330),
            cache_write_1h: Some(5_000),
            reasoning: None,
        };
        assert_eq!(Usage::from_reply(&anthropic), Some(all));
        assert_eq!(Usage::from_reply(&anthropic).map(|usage| usage.total()), Some(32_605));
    }

    #[test]
    fn what_tells_no_tokens_is_no_usage() {
        for silent in
            [json!(null), json!({}), json!({"usage": null}), json!({"usage": {"input_tokens": "7"}}), json!([1])]
        {
            assert_eq!(Usage::from_reply(&silent), None, "{silent}");
        }
        let half = json!({"usage": {"output_tokens": 3}});
        assert_eq!(Usage::from_reply(&half), Some(Usage { output: 3, ..Usage::default() }));
        let most = json!({"input_tokens": u64::MAX, "cache_read_input_tokens": u64::MAX});
        assert_eq!(Usage::from_reply(&most).map(|usage| usage.total()), Some(u64::MAX));
    }
}
