//! The attribute macros of spanwright, which re-exports them: depend on `spanwright`, not on this crate.
//!
//! Each attribute turns a function into a span of its type. The function keeps its signature, its result, its errors and panics, and the order in which it
//! drops its arguments. The examples show a function (before) and what it becomes (after, with `p` for `::spanwright::__private`).
//!
//! # Arguments of every attribute
//!
//! | Argument | Meaning | Default |
//! |---|---|---|
//! | `name = "…"` | display name, at most 250 characters | the function's name |
//! | `span_type = "…"` | MLflow span type | the attribute's |
//! | `span = path` | the declared span it makes, see [`macro@spans`]: gives id, name and span type, and the attributes their types | – |
//! | `skip(a, b)` | parameters that are not captured | parameters whose name begins with `_` |
//! | `redact(a)` | parameters whose value is never read; a marker stands in its place | – |
//! | `debug(a)` | parameters captured by `Debug` | `Serialize`, else the name of the type |
//! | `inputs(key = expr, …)` | more inputs | – |
//! | `attributes(key = expr, …)` | attributes of the span; a key may be `dotted.name` or `"any text"`; with `span`, one of its attributes | – |
//! | `handle = ident` | binds the span's handle under that name in the body; with `span`, the declared span's own | – |
//! | `capture = "none"`, `"keys"`, `"preview"` or `"full"` | how much of inputs and output is captured | node: keys, llm: full, others: preview |
//! | `output = "…"` | the same for the output alone | as `capture` |
//! | `returns = "value"`, `"future"` or `"stream"` | what the signature does not show, such as a type alias of a boxed future | from the signature |
//! | `expected(Path, …)` | variants or structs of the error that are no failure | – |
//! | `crate = ::path` | where spanwright is, if it is renamed or re-exported | `::spanwright` |
//!
//! Expressions are evaluated when the call starts, only while it is recorded, and by reference: they may name the parameters and move nothing. Plain
//! parameters are captured by name; what a pattern such as `(a, b): (A, B)` binds is not, and neither is `self`.

mod record;

use proc_macro::TokenStream;
use spanwright_macros_core::{Kind, attribute, compiled_out};

#[doc = include_str!("spans.md")]
#[proc_macro]
pub fn spans(tokens: TokenStream) -> TokenStream {
    let tokens = tokens.into();
    record::spans(&tokens);
    spanwright_macros_core::spans(tokens).into()
}

/// The typed keys of the standard attributes, for the runtime's `semconv`.
#[doc(hidden)]
#[proc_macro]
pub fn standard_attributes(_: TokenStream) -> TokenStream {
    spanwright_macros_core::semconv::keys().into()
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {$(
        $(#[$doc])*
        #[proc_macro_attribute]
        pub fn $name(args: TokenStream, item: TokenStream) -> TokenStream {
            expand(Kind::$kind, args.into(), item.into()).into()
        }
    )*};
}

fn expand(kind: Kind, args: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    record::attribute(kind, &args, &item);
    // Where cargo builds macros with other flags than the program, as with `--target`, the runtime alone leaves tracing out.
    if cfg!(spanwright_off) { compiled_out(kind, args, item) } else { attribute(kind, args, item) }
}

attributes! {
    /// A workflow: starts a trace, unless one is open, in which it is a child.
    ///
    /// Span type `WORKFLOW`. The trace gets the tag `workflow`: `kind`, or the function's name without `_workflow`.
    ///
    /// | Own argument | Meaning |
    /// |---|---|
    /// | `kind = "…"` | value of the tag `workflow` |
    /// | `tags(key = expr, …)` | tags of the trace |
    /// | `session = expr`, `user = expr` | session and user of the trace; `None` says nothing |
    /// | `experiment = expr` | experiment of the trace, by name or id |
    /// | `run`, `run = expr` | opens an MLflow run around the trace, of that name if given |
    /// | `params(key = expr, …)` | parameters of the run |
    /// | `config = expr` | the `AgentConfig` the execution is measured as, or a reference to one; `spanwright::tracker()` gives its tracker |
    /// | `budget_usd = expr`, `budget_tokens = expr` | what the execution may cost, a number each; at 80 % and 100 % the span gets an event, and `spanwright::Budget::check()` says when it is used up |
    ///
    /// Before:
    ///
    /// ```
    /// use spanwright::workflow;
    ///
    /// #[workflow(tags(home = home))]
    /// fn optimize_workflow(home: u32) -> u32 {
    ///     home + 1
    /// }
    /// # assert_eq!(optimize_workflow(1), 2);
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use spanwright::__private as p;
    /// fn optimize_workflow(home: u32) -> u32 {
    ///     p::call(
    ///         {
    ///             static __SITE: p::Callsite =
    ///                 p::Callsite::new("optimize_workflow", p::Kind::Workflow, &["home"]).workflow("optimize");
    ///             __SITE.start(&[__SITE.arg(&home).get()])
    ///         }
    ///         .with(|f| {
    ///             f.tag("home", &home);
    ///         }),
    ///         move || -> u32 {
    ///             let _ = (&home,);
    ///             home + 1
    ///         },
    ///         |r| p::ret(r).ok().get(),
    ///     )
    /// }
    /// # assert_eq!(optimize_workflow(1), 2);
    /// ```
    workflow: Workflow;

    /// A job that a schedule or a webhook sets off: always a trace of its own, also inside another.
    ///
    /// It traces; the program owns the loop. Span type `WORKFLOW`, tag `workflow=scheduled_analysis` unless `kind` says otherwise. Takes the arguments of
    /// [`macro@workflow`] and:
    ///
    /// | Own argument | Meaning |
    /// |---|---|
    /// | `trigger = expr` | what set it off: tag `trigger` |
    /// | `id = expr` | the schedule: tag `schedule_id` |
    ///
    /// Before:
    ///
    /// ```
    /// use spanwright::scheduled;
    ///
    /// #[scheduled(trigger = "cron", id = job)]
    /// fn nightly(job: &str) -> usize {
    ///     job.len()
    /// }
    /// # assert_eq!(nightly("a"), 1);
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use spanwright::__private as p;
    /// fn nightly(job: &str) -> usize {
    ///     p::call(
    ///         {
    ///             static __SITE: p::Callsite =
    ///                 p::Callsite::new("nightly", p::Kind::Scheduled, &["job"]).workflow("scheduled_analysis");
    ///             __SITE.start(&[__SITE.arg(&job).get()])
    ///         }
    ///         .with(|f| {
    ///             f.trigger(&"cron");
    ///             f.schedule(&job);
    ///         }),
    ///         move || -> usize { job.len() },
    ///         |r| p::ret(r).ok().get(),
    ///     )
    /// }
    /// # assert_eq!(nightly("a"), 1);
    /// ```
    scheduled: Scheduled;

    /// A step of a workflow. Span type `CHAIN`; of a state only the keys are captured.
    ///
    /// Before:
    ///
    /// ```
    /// use spanwright::node;
    ///
    /// #[node]
    /// async fn collect(home: String, days: u32) -> Result<usize, String> {
    ///     Ok(home.len() * days as usize)
    /// }
    /// # let _ = collect(String::new(), 1);
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use spanwright::__private as p;
    /// async fn collect(home: String, days: u32) -> Result<usize, String> {
    ///     let span = {
    ///         static __SITE: p::Callsite = p::Callsite::new("collect", p::Kind::Node, &["home", "days"]);
    ///         __SITE.start(&[__SITE.arg(&home).get(), __SITE.arg(&days).get()])
    ///     };
    ///     p::future(
    ///         span,
    ///         async move {
    ///             let _ = (&days, &home); // the order in which the plain function drops them
    ///             if let Some(r) = None::<Result<usize, String>> {
    ///                 return r; // the type of the block, for `?` and coercions
    ///             }
    ///             Ok(home.len() * days as usize)
    ///         },
    ///         |r| p::ret(r).ok().get(),
    ///     )
    ///     .await
    /// }
    /// # let _ = collect(String::new(), 1);
    /// ```
    node: Node;

    /// A sandboxed run. Span type `TOOL`, named `sandbox.execute`; what the returned value says by `SandboxOutcome` becomes `sandbox.*`.
    ///
    /// The one attribute that demands a trait of the returned value: by itself, by reference or in a `Result`.
    ///
    /// | Own argument | Meaning |
    /// |---|---|
    /// | `policy = expr` | the policy it runs under; beats the value's |
    ///
    /// Before:
    ///
    /// ```
    /// use spanwright::{SandboxOutcome, sandbox};
    ///
    /// struct Exit(i32);
    ///
    /// impl SandboxOutcome for Exit {
    ///     fn exit_code(&self) -> i32 {
    ///         self.0
    ///     }
    /// }
    ///
    /// #[sandbox(policy = "standard")]
    /// fn run(script: &str) -> Result<Exit, std::io::Error> {
    ///     Ok(Exit(script.len() as i32))
    /// }
    /// # assert_eq!(run("").unwrap().0, 0);
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use spanwright::{SandboxOutcome, __private as p};
    /// # struct Exit(i32);
    /// # impl SandboxOutcome for Exit { fn exit_code(&self) -> i32 { self.0 } }
    /// fn run(script: &str) -> Result<Exit, std::io::Error> {
    ///     p::call(
    ///         {
    ///             static __SITE: p::Callsite =
    ///                 p::Callsite::new("run", p::Kind::Sandbox, &["script"]).named("sandbox.execute");
    ///             __SITE.start(&[__SITE.arg(&script).get()])
    ///         }
    ///         .with(|f| {
    ///             f.policy(&"standard");
    ///         }),
    ///         move || -> Result<Exit, std::io::Error> { Ok(Exit(script.len() as i32)) },
    ///         |r| p::sandbox(r).ok().get(),
    ///     )
    /// }
    /// # assert_eq!(run("").unwrap().0, 0);
    /// ```
    sandbox: Sandbox;

    /// Work handed from one agent to another. Span type `CHAIN`, named `delegation`; encloses the work.
    ///
    /// | Own argument | Meaning |
    /// |---|---|
    /// | `from = expr`, `to = expr` | who delegates to whom |
    /// | `content = expr` | what is handed over, 500 characters of it; by default the first captured parameter |
    ///
    /// Before:
    ///
    /// ```
    /// use spanwright::delegate;
    ///
    /// #[delegate(from = "architect", to = team)]
    /// fn hand_over(task: &str, team: &str) -> usize {
    ///     task.len() + team.len()
    /// }
    /// # assert_eq!(hand_over("a", "b"), 2);
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use spanwright::__private as p;
    /// fn hand_over(task: &str, team: &str) -> usize {
    ///     p::call(
    ///         {
    ///             static __SITE: p::Callsite =
    ///                 p::Callsite::new("hand_over", p::Kind::Delegate, &["task", "team"]).named("delegation");
    ///             __SITE.start(&[__SITE.arg(&task).get(), __SITE.arg(&team).get()])
    ///         }
    ///         .with(|f| {
    ///             f.from(&"architect");
    ///             f.to(&team);
    ///             f.content(p::arg(&task).get());
    ///         }),
    ///         move || -> usize { task.len() + team.len() },
    ///         |r| p::ret(r).ok().get(),
    ///     )
    /// }
    /// # assert_eq!(hand_over("a", "b"), 2);
    /// ```
    delegate: Delegate;

    /// A call of a language model. Span type `LLM`; prompts and answers are captured in full, usage by `ModelOutcome` where the value has it.
    ///
    /// | Own argument | Meaning |
    /// |---|---|
    /// | `model = expr`, `provider = expr` | what is called, where the value does not say |
    /// | `tools = expr` | definitions of the tools the model is offered, as they are sent |
    ///
    /// Before:
    ///
    /// ```
    /// use spanwright::llm;
    ///
    /// #[llm(model = "small")]
    /// fn ask(prompt: String) -> impl Future<Output = usize> {
    ///     async move { prompt.len() }
    /// }
    /// # let _ = ask(String::new());
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use spanwright::__private as p;
    /// fn ask(prompt: String) -> impl Future<Output = usize> {
    ///     p::promised_future(
    ///         {
    ///             static __SITE: p::Callsite = p::Callsite::new("ask", p::Kind::Llm, &["prompt"]);
    ///             __SITE.start(&[__SITE.arg(&prompt).get()])
    ///         }
    ///         .with(|f| {
    ///             f.model(&"small");
    ///         }),
    ///         move || {
    ///             let _ = (&prompt,);
    ///             async move { prompt.len() }
    ///         },
    ///         |r: &usize| p::model(r).ok().get(),
    ///     )
    /// }
    /// # let _ = ask(String::new());
    /// ```
    llm: Llm;

    /// A tool that an agent calls. Span type `TOOL`.
    ///
    /// Before:
    ///
    /// ```
    /// use spanwright::tool;
    ///
    /// #[derive(Debug)]
    /// struct NotFound;
    ///
    /// #[tool(expected(NotFound), handle = span)]
    /// fn find(key: u32) -> Result<u32, NotFound> {
    ///     span.set("key", key);
    ///     if key == 0 { Err(NotFound) } else { Ok(key) }
    /// }
    /// # assert_eq!(find(1).unwrap(), 1);
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use spanwright::__private as p;
    /// # #[derive(Debug)]
    /// # struct NotFound;
    /// fn find(key: u32) -> Result<u32, NotFound> {
    ///     p::call(
    ///         {
    ///             static __SITE: p::Callsite = p::Callsite::new("find", p::Kind::Tool, &["key"]);
    ///             __SITE.enter(&[__SITE.arg(&key).get()])
    ///         },
    ///         move || -> Result<u32, NotFound> {
    ///             let span = p::handle();
    ///             let _ = (&key,);
    ///             span.set("key", key);
    ///             if key == 0 { Err(NotFound) } else { Ok(key) }
    ///         },
    ///         |r| p::ret(r).ok().get().expected(matches!(r, Err(NotFound { .. }))),
    ///     )
    /// }
    /// # assert_eq!(find(1).unwrap(), 1);
    /// ```
    tool: Tool;

    /// A look-up of documents. Span type `RETRIEVER`.
    ///
    /// Before:
    ///
    /// ```
    /// use futures_core::future::BoxFuture;
    /// use spanwright::retriever;
    ///
    /// #[retriever]
    /// fn look_up(query: &str) -> BoxFuture<'_, Vec<String>> {
    ///     Box::pin(async move { vec![query.to_owned()] })
    /// }
    /// # let _ = look_up("");
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use futures_core::future::BoxFuture;
    /// # use spanwright::__private as p;
    /// fn look_up(query: &str) -> BoxFuture<'_, Vec<String>> {
    ///     p::Box::pin(p::promised_future(
    ///         {
    ///             static __SITE: p::Callsite = p::Callsite::new("look_up", p::Kind::Retriever, &["query"]);
    ///             __SITE.start(&[__SITE.arg(&query).get()])
    ///         },
    ///         move || -> BoxFuture<'_, Vec<String>> { Box::pin(async move { vec![query.to_owned()] }) },
    ///         |r: &Vec<String>| p::ret(r).ok().get(),
    ///     ))
    /// }
    /// # let _ = look_up("");
    /// ```
    retriever: Retriever;

    /// An agent's turn. Span type `AGENT`.
    ///
    /// Before:
    ///
    /// ```
    /// use futures_core::Stream;
    /// use spanwright::agent;
    ///
    /// # struct Words;
    /// # impl Stream for Words {
    /// #     type Item = String;
    /// #     fn poll_next(
    /// #         self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>,
    /// #     ) -> std::task::Poll<Option<String>> {
    /// #         std::task::Poll::Ready(None)
    /// #     }
    /// # }
    /// #[agent]
    /// fn answer(question: String) -> Result<impl Stream<Item = String>, String> {
    ///     if question.is_empty() { Err(question) } else { Ok(Words) }
    /// }
    /// # assert!(answer("?".into()).is_ok());
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use futures_core::Stream;
    /// # use spanwright::__private as p;
    /// # struct Words;
    /// # impl Stream for Words {
    /// #     type Item = String;
    /// #     fn poll_next(
    /// #         self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>,
    /// #     ) -> std::task::Poll<Option<String>> {
    /// #         std::task::Poll::Ready(None)
    /// #     }
    /// # }
    /// fn answer(question: String) -> Result<impl Stream<Item = String>, String> {
    ///     p::try_stream(
    ///         {
    ///             static __SITE: p::Callsite = p::Callsite::new("answer", p::Kind::Agent, &["question"]);
    ///             __SITE.start(&[__SITE.arg(&question).get()])
    ///         },
    ///         move || -> Result<_, String> {
    ///             let _ = (&question,);
    ///             if question.is_empty() { Err(question) } else { Ok(Words) }
    ///         },
    ///         |r: &String| p::ret(r).ok().get(),
    ///         |e| p::error(e).get(),
    ///     )
    /// }
    /// # assert!(answer("?".into()).is_ok());
    /// ```
    agent: Agent;

    /// A judgement of an answer. Span type `EVALUATOR`.
    ///
    /// Before:
    ///
    /// ```
    /// use spanwright::evaluator;
    ///
    /// #[evaluator(redact(answer), capture = "full")]
    /// fn judge(answer: &str) -> bool {
    ///     answer.is_empty()
    /// }
    /// # assert!(judge(""));
    /// ```
    ///
    /// After:
    ///
    /// ```
    /// # use spanwright::__private as p;
    /// fn judge(answer: &str) -> bool {
    ///     p::call(
    ///         {
    ///             static __SITE: p::Callsite = p::Callsite::new("judge", p::Kind::Evaluator, &["answer"])
    ///                 .inputs(p::Level::Full)
    ///                 .output(p::Level::Full);
    ///             __SITE.enter(&[__SITE.redacted("answer").get()])
    ///         },
    ///         move || -> bool { answer.is_empty() },
    ///         |r| p::ret(r).ok().get(),
    ///     )
    /// }
    /// # assert!(judge(""));
    /// ```
    evaluator: Evaluator;
}
