//! `spanwright evaluate`, with the scripted model on loopback.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use spanwright::record::{Batch, Json, SpanRecord};
use spanwright::store::{ProcessId, Store};
use spanwright_examples::scripted_model::ScriptedModel;
use spanwright_tests::mlflow;

use crate::ground::{Ground, Run, SERVER, keep, workflow};

/// The scripted model, and the runtime it runs on.
struct Model {
    runtime: tokio::runtime::Runtime,
    scripted: Option<ScriptedModel>,
    base_url: String,
}

impl Model {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let scripted = runtime.block_on(ScriptedModel::start()).unwrap();
        Self { base_url: scripted.base_url(), scripted: Some(scripted), runtime }
    }

    /// Whoever asks from now on finds nobody.
    fn stop(&mut self) {
        let scripted = self.scripted.take();
        self.runtime.block_on(async { drop(scripted) });
    }
}

fn judge(ground: &Ground, name: &str, more: &str) {
    let text = format!(
        "name = \"{name}\"\nmetric = \"relevance\"\nmodel = \"scripted\"\nprompt = \"Judge whether the response answers.\"\n{more}\n"
    );
    fs::write(ground.folder.path().join(format!("{name}.toml")), text).unwrap();
}

fn evaluate(ground: &Ground, base_url: &str, args: &[&str]) -> Run {
    let mut command: Command = ground.command(args);
    command.env("OPENAI_BASE_URL", base_url).env("OPENAI_API_KEY", "sk-live-2718281828459045");
    Run::of(command.output().unwrap())
}

/// A trace whose root was asked something and answered.
fn answered(trace: u64, question: &str, answer: &str) -> Vec<SpanRecord> {
    let mut spans = workflow(trace, "support_workflow");
    spans[0].inputs = Some(Json::of(&json!({ "question": question })));
    spans[0].outputs = Some(Json::of(&answer));
    spans
}

fn scores(store: &Store, span: &SpanRecord) -> Vec<(String, String)> {
    let said = store.assessments(span.trace_id).unwrap();
    said.into_iter().map(|one| (one.source_id, one.value.as_str().to_owned())).collect()
}

#[test]
fn the_newest_traces_are_judged_once_and_a_repeat_asks_nobody() {
    let (ground, mut model) = (Ground::new(), Model::start());
    let store = ground.store();
    let good = answered(1, "where is my receipt?", "Your receipt is under Orders.");
    let bad = answered(2, "where is my parcel?", "We like you.");
    let judged_before = {
        let mut spans = answered(4, "relevance", "0.5");
        spans[0].span_type = "EVALUATOR".into();
        spans
    };
    keep(&store, answered(0, "an old question about receipts", "too old"), None);
    keep(&store, good.clone(), Some(SERVER));
    keep(&store, bad.clone(), None);
    keep(&store, workflow(3, "silent_workflow"), None);
    keep(&store, judged_before, None);
    judge(&ground, "strict", "temperature = 0.0");
    judge(&ground, "never", "sampling = 0.0");

    let all = ["evaluate", "--last", "2", "--judge", "strict.toml", "--judge", "never.toml"];
    let due = evaluate(&ground, &model.base_url, &[&all[..], &["--dry-run"]].concat());
    assert!(due.code == Some(0) && due.out.contains("2 to be judged, 2 not sampled"), "{}{}", due.out, due.err);
    assert!(scores(&store, &good[0]).is_empty());

    let run = evaluate(&ground, &model.base_url, &[&all[..], &["--json"]].concat());
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let told = run.json();
    let counts = ["judged", "known", "skipped", "failed"].map(|count| told[count].as_u64().unwrap());
    assert_eq!(counts, [2, 0, 2, 0]);
    let first = &told["results"][0];
    assert_eq!((&first["score"], &first["judge"], &first["status"]), (&json!(0.1), &json!("strict"), &json!("judged")));
    assert_eq!(scores(&store, &good[0]), [("strict".to_owned(), "0.9".to_owned())]);
    assert_eq!(scores(&store, &bad[0]), [("strict".to_owned(), "0.1".to_owned())]);
    let waiting = [store.waiting_assessments(Some(SERVER)).unwrap(), store.waiting_assessments(None).unwrap()];
    assert_eq!(waiting, [1, 1], "each goes where its trace goes");

    // The judge's own calls are traces with tokens, and are not judged themselves.
    let listed = ground.run(&["list", "--json"]).json();
    let own: Vec<_> = listed["traces"].as_array().unwrap().iter().filter(|trace| trace["name"] == "strict").collect();
    assert!(own.len() == 2 && own.iter().all(|trace| trace["tokens"].as_u64() > Some(0)), "{listed:#}");
    assert!(!run.out.contains("2718281828459045") && !listed.to_string().contains("2718281828459045"));

    model.stop();
    let again = evaluate(&ground, &model.base_url, &all);
    assert!(again.code == Some(0) && again.out.contains("2 known before, 2 not sampled"), "{}{}", again.out, again.err);
    // Another version judges again, and finds nobody to ask.
    judge(&ground, "strict", "version = 2");
    let failed = evaluate(&ground, &model.base_url, &all);
    assert!(failed.code == Some(1) && failed.out.contains("2 not sampled, 2 failed"), "{}{}", failed.out, failed.err);
    assert!(failed.out.contains("ask the model at") && !failed.out.contains("2718281828459045"), "{}", failed.out);

    let tree = ground.run(&["tree", &good[0].trace_id.to_string()]);
    let score = "relevance 0.9  by strict (a model): The answer is about the receipt that was asked for.";
    assert!(tree.out.contains(score), "{}{}", tree.out, tree.err);
    let tree = ground.run(&["tree", "--json", &good[0].trace_id.to_string()]).json();
    assert_eq!(tree["assessments"][0]["name"], "relevance");
}

#[test]
fn a_share_of_the_traces_is_the_same_share_each_time() {
    let (ground, model) = (Ground::new(), Model::start());
    let store = ground.store();
    for trace in 1..=200 {
        keep(&store, answered(trace, "where is my receipt?", "There is no receipt."), None);
    }
    judge(&ground, "half", "sampling = 0.5");
    let args = ["evaluate", "--last", "200", "--judge", "half.toml", "--dry-run", "--json"];
    let chosen = |run: Run| -> Vec<Value> {
        let results = run.json()["results"].as_array().unwrap().clone();
        results.into_iter().filter(|one| one["status"] == "due").map(|one| one["trace_id"].clone()).collect()
    };
    let first = chosen(evaluate(&ground, &model.base_url, &args));
    assert!((75..=125).contains(&first.len()), "{} of 200", first.len());
    assert_eq!(first, chosen(evaluate(&ground, &model.base_url, &args)));
}

#[test]
fn a_judge_that_is_none_and_a_store_without_answers_are_said() {
    let ground = Ground::new();
    let run = |args: &[&str]| evaluate(&ground, SERVER, args);
    for (text, words) in [
        ("name = \"a\"", "missing field `metric`"),
        ("name = \"a\"\nmetric = \"m\"\nprompt = \"p\"\nmodel = \"x\"\ncolour = 1", "colour"),
        ("name = \"a\"\nmetric = \"m\"\nprompt = \"p\"\nmodel = \"x\"\nsampling = 1.5", "from 0.0 to 1.0"),
        ("name = \"a\"\nmetric = \"m\"\nprompt = \"p\"", "OPENAI_MODEL"),
        ("name = \"a\"\nmetric = \"m\"\nprompt = \"p\"\nmodel = \"x\"\nendpoint = \"here\"", "https://host/v1"),
    ] {
        fs::write(ground.folder.path().join("judge.toml"), text).unwrap();
        let said = run(&["evaluate", "--judge", "judge.toml"]);
        assert!(said.code == Some(1) && said.err.contains(words), "{text}: {}{}", said.out, said.err);
    }
    judge(&ground, "strict", "");
    let said = run(&["evaluate", "--judge", "strict.toml", "--judge", "strict.toml"]);
    assert!(said.code == Some(1) && said.err.contains("two judges are `strict`"), "{}", said.err);
    let said = run(&["evaluate", "--judge", "strict.toml"]);
    assert!(said.code == Some(1) && said.err.contains("no traces yet"), "{}", said.err);
    keep(&ground.store(), workflow(1, "silent_workflow"), None);
    let said = run(&["evaluate", "--judge", "strict.toml"]);
    assert!(said.code == Some(1) && said.err.contains("an answer to be judged"), "{}", said.err);
    let said = run(&["evaluate", "--judge", "strict.toml", "--from", "sqlite:///mlflow.db"]);
    assert!(said.code == Some(1) && said.err.contains("mlflow server"), "{}", said.err);
    assert_eq!(run(&["evaluate"]).code, Some(2));
}

/// A key goes where the environment says, and not where a judge's file does.
#[test]
fn the_key_goes_to_no_address_of_a_file() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        connection.write_all(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        head.join("\n").to_ascii_lowercase()
    });
    let ground = Ground::new();
    keep(&ground.store(), answered(1, "q", "a"), None);
    judge(&ground, "strict", &format!("endpoint = \"http://{address}/v1\""));
    let run = evaluate(&ground, SERVER, &["evaluate", "--judge", "strict.toml"]);
    assert_eq!(run.code, Some(1), "{}", run.out);
    let head = seen.join().unwrap();
    assert!(head.starts_with("post /v1/chat/completions") && !head.contains("authorization"), "{head}");
}

#[test]
fn traces_of_a_server_are_judged_there_and_once() {
    let (ground, model, server) = (Ground::new(), Model::start(), mlflow::shared());
    let unique = std::process::id() as u64;
    let spans = answered(unique << 8, "where is my receipt?", "Your receipt is under Orders.");
    let batch = Batch { finished: spans.clone(), ..Batch::default() };
    ground.store().append(&batch, ProcessId(1), None).unwrap();
    let experiment = format!("evaluated {unique}");
    let run = |args: &[&str]| {
        let mut command = ground.command(args);
        command.env("MLFLOW_EXPERIMENT_NAME", &experiment).env("OPENAI_BASE_URL", &model.base_url);
        Run::of(command.output().unwrap())
    };
    let pushed = run(&["push", "--to", server.uri()]);
    assert_eq!(pushed.code, Some(0), "{}{}", pushed.out, pushed.err);
    judge(&ground, "strict", "");
    let args = ["evaluate", "--from", server.uri(), "--judge", "strict.toml"];
    let first = run(&args);
    assert!(first.code == Some(0) && first.out.contains("relevance 0.90"), "{}{}", first.out, first.err);
    let again = run(&args);
    assert!(again.code == Some(0) && again.out.contains("1 known before"), "{}{}", again.out, again.err);
    let trace = server.trace(&format!("tr-{}", spans[0].trace_id)).expect("it was pushed");
    // What the trace cost is told of it too.
    let by_judge = |said: &&serde_json::Value| said["source"]["source_type"] == "LLM_JUDGE";
    let said: Vec<_> = trace["assessments"].as_array().unwrap().iter().filter(by_judge).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["source"], json!({ "source_type": "LLM_JUDGE", "source_id": "strict" }));
    assert_eq!((&said[0]["feedback"]["value"], &said[0]["metadata"]["judge_version"]), (&json!(0.9), &json!("1")));
}
