//! Names in the namespaces of the conventions are theirs.

mod spans {
    spanwright::spans! {
        pub llm Ask(id = "ask") {
            gen_ai.request.temprature,
            gen_ai.request.max_tokens: str,
            gen_ai.usage.cache_creation.input_tokens,
            gen_ai.home,
            mlflow.spanInputs: json,
            mlflow.traceTag.home: str,
            mlflow.banana: str,
            spanwright.outcome: str,
            gen_ai.request.top_p: f32,
            gen_ai.request.stop_sequences,
            gen_ai.prompt.variable.city,
        }
    }
}

#[spanwright::llm(span = spans::Ask, handle = s)]
fn ask() {
    s.gen_ai_request_top_p(1.0).gen_ai_request_stop_sequences(&["a"]).gen_ai_prompt_variable_city("b");
}

fn main() {}
