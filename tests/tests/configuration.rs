//! Settings of a workflow file, of `spanwright.toml`, of the environment and of code: what holds, where it came from, and what is said.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use spanwright::CaptureLevel;
use spanwright::config::{ArtifactKind, Config, Destination, Experiment, NamedConfig, Overrides, Source};
use spanwright::configured::Tracker;
use spanwright_tests::program::Place;
use tempfile::TempDir;

use crate::configured::{CONFIGURED, run};

/// What of a configuration a program in this folder, with these variables, would have.
fn load(folder: &Path, variables: &[(&str, &str)], code: Overrides) -> (Config, Vec<String>) {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    Config::load(code, &|name| variables.get(name).map(|value| (*value).to_owned()), folder)
}

/// By a workflow file with this section alone.
fn of_section(section: &str) -> (Config, Vec<String>) {
    let folder = TempDir::new().expect("a folder");
    let text = format!("config:\n  observability:\n    mlflow: {section}\n");
    load(folder.path(), &[], Overrides { config_file: Some(NamedConfig::Yaml(text)), ..Overrides::default() })
}

/// A2-01
#[test]
fn a_workflow_file_switches_tracing_on_and_brings_the_defaults_it_always_had() {
    for off in ["null", "{}", "{enabled: false}", "{experiment_name: homes}"] {
        let (config, warnings) = of_section(off);
        assert!(config.disabled.value && warnings.is_empty(), "{off}: {warnings:?}");
    }
    for absent in ["", "config: null\n", "flow: {name: x}\nconfig: {observability: {logging: {level: INFO}}}\n"] {
        let file = Overrides { config_file: Some(NamedConfig::Yaml(absent.to_owned())), ..Overrides::default() };
        let (config, warnings) = load(Path::new("/"), &[], file);
        assert!(config.disabled.value && warnings.is_empty(), "{absent}: {warnings:?}");
    }
    let (config, warnings) = of_section("{enabled: true}");
    assert_eq!((config.disabled.value, warnings), (false, Vec::new()));
    assert_eq!(config.destination.value, Destination::StoreOnly, "what nobody wrote is no server to complain of");
    assert_eq!(config.experiment.value, Some(Experiment::Name("configurable_agents".into())));
    assert_eq!((config.run_name.value, config.log_prompts.value, config.log_artifacts.value), (None, true, true));
    assert_eq!(config.artifact_level.value.as_str(), "standard");
    assert_eq!((config.capture.value, config.nodes), (CaptureLevel::Full, Vec::new()));
}

/// A file as it was written before there was anything to be switched to.
const OLD: &str = r#"
schema_version: "1.0"
flow: {name: article_writer, version: "1.0.0"}
state: {fields: {topic: {type: str, required: true}}}
nodes:
  - id: research
    prompt: "Research {topic}"
    outputs: [research]
    log_prompts: false
    log_artifacts: true
  - {id: write_up, prompt: "Write", outputs: [article], log_prompts: null}
edges: [{from: START, to: research}, {from: research, to: END}]
config:
  llm: &llm {model: gemini-2.5-flash-lite, temperature: 0.7}
  execution: {<<: *llm, timeout: 120}
  observability:
    mlflow:
      enabled: yes
      tracking_uri: "file://./mlruns"
      experiment_name: old_experiment
      run_name: null
      log_prompts: true
      log_artifacts: true
      artifact_level: full
      retention_days: 30
      redact_pii: false
    logging: {level: DEBUG}
"#;

/// A2-02
#[test]
fn an_old_workflow_file_is_read_unchanged_and_its_file_store_is_said_once() {
    let place = Place::new(CONFIGURED);
    fs::write(place.home.path().join("old.yaml"), OLD).expect("a file");
    let ran = run(&place, &["old.yaml", "answer", "x", "answer", "y"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.answers[0], "enabled true");
    let about_file = ran.said.iter().filter(|line| line.contains("file://./mlruns")).count();
    assert_eq!(about_file, 1, "{:?}", ran.said);
    let about_node =
        ran.said.iter().filter(|line| line.contains("old.yaml:10") && line.contains("`log_artifacts`")).count();
    assert_eq!((about_node, ran.said.len()), (1, 2), "{:?}", ran.said);
    assert_eq!(place.stored().len(), 12, "spans are kept in the store all the same");
    assert!(!place.home.path().join("mlruns").exists());

    let file = Overrides { config_file: Some(NamedConfig::Yaml(OLD.to_owned())), ..Overrides::default() };
    let (config, _) = load(Path::new("/"), &[], file);
    assert_eq!(config.experiment.value, Some(Experiment::Name("old_experiment".into())));
    assert_eq!(config.store_max_age.value.as_secs(), 30 * 86_400);
    let workflow = config.workflow.expect("there is one").value;
    assert_eq!((&*workflow.name, &*workflow.version, workflow.node_count), ("article_writer", "1.0.0", 2));
    let nodes: Vec<_> = config.nodes.iter().map(|node| (&*node.name, node.log_prompts.value)).collect();
    assert_eq!(nodes, [("research", false)]);
}

/// A2-03
#[test]
fn a_value_that_cannot_be_used_is_an_error_that_names_the_choices_and_an_unknown_key_is_said() {
    let error = |section: &str| {
        let text = format!("config:\n  observability:\n    mlflow:\n      enabled: true\n      {section}\n");
        let error = Tracker::from_yaml(text).expect_err(section);
        assert!(error.is_config(), "{error:#}");
        error.to_string()
    };
    for (section, parts) in [
        ("artifact_level: verbose", &["5: artifact_level = verbose", "minimal, standard or full"][..]),
        ("enabled: maybe", &["5: enabled = maybe", "true or false"]),
        ("log_prompts: [1]", &["5: log_prompts = [1]", "true or false"]),
        ("async_logging: sometimes", &["async_logging = sometimes", "true or false"]),
        ("retention_days: soon", &["retention_days = soon", "a number of days"]),
        ("tracking_uri: localhost:5000", &["tracking_uri = localhost:5000", "the scheme is missing"]),
        ("capture: everything", &["capture = everything", "none, keys, preview or full"]),
        ("enabled: true\n   indented: wrong", &["line 6"]),
    ] {
        let text = error(section);
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
    let missing = Tracker::from_config("/nowhere/workflow.yaml").expect_err("it is not there");
    assert!(missing.is_config() && missing.to_string().contains("/nowhere/workflow.yaml"), "{missing}");

    let (config, warnings) =
        of_section("{enabled: true, artefact_level: full, from_the_future: {a: [1]}, password: hunter2}");
    assert_eq!(config.artifact_level.value.as_str(), "standard");
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings[0].contains("`artefact_level` is ignored") && warnings[0].contains("did you mean `artifact_level`?")
    );
    assert!(warnings[1].contains("`from_the_future` is ignored") && warnings[1].contains("the keys are enabled, "));
    assert!(warnings[2].contains("MLFLOW_TRACKING_PASSWORD") && !warnings.concat().contains("hunter2"));

    // A program that names no file is not stopped by one: what cannot be used is a line, and its default.
    let folder = TempDir::new().expect("a folder");
    fs::write(
        folder.path().join("w.yaml"),
        "config: {observability: {mlflow: {enabled: true, artifact_level: verbose}}}",
    )
    .expect("a file");
    let (config, warnings) = load(folder.path(), &[("SPANWRIGHT_CONFIG", "w.yaml")], Overrides::default());
    assert_eq!((config.disabled.value, warnings.len()), (false, 1), "{warnings:?}");
    assert!(warnings[0].contains("w.yaml:1: artifact_level = verbose is ignored"), "{warnings:?}");
}

/// A2-04
#[test]
fn artifacts_of_each_kind_are_written_from_their_level_on_or_not_at_all() {
    let kinds = [ArtifactKind::Summary, ArtifactKind::Messages, ArtifactKind::Everything];
    for (level, written) in
        [("minimal", [true, false, false]), ("standard", [true, true, false]), ("full", [true, true, true])]
    {
        for log_artifacts in [true, false] {
            let section = format!("{{enabled: true, artifact_level: {level}, log_artifacts: {log_artifacts}}}");
            let (config, warnings) = of_section(&section);
            assert_eq!(warnings, [""; 0]);
            let expected = if log_artifacts { written } else { [false; 3] };
            assert_eq!(kinds.map(|kind| config.writes_artifact(kind)), expected, "{section}");
        }
    }
}

#[test]
fn code_wins_over_the_environment_that_over_our_own_file_and_that_over_the_workflow_file() {
    let folder = TempDir::new().expect("a folder");
    let workflow = "nodes:\n- {id: a, log_prompts: false}\n- {id: b, log_prompts: false}\n- {id: c, log_prompts: false}\nconfig:\n  \
                    observability:\n    mlflow:\n      enabled: true\n      experiment_name: one\n      artifact_level: minimal\n      \
                    sampling_ratio: 0.1\n      service_name: one\n";
    fs::write(folder.path().join("workflow.yaml"), workflow).expect("a file");
    let ours = "config = \"workflow.yaml\"\nexperiment_name = \"two\"\nsampling_ratio = 0.2\nservice_name = \"two\"\n[nodes.b]\n\
                log_prompts = true\n[nodes.c]\nlog_prompts = true\nlog_artifacts = true\n";
    fs::write(folder.path().join("spanwright.toml"), ours).expect("a file");
    let env = [("MLFLOW_TRACE_SAMPLING_RATIO", "0.3"), ("OTEL_SERVICE_NAME", "three")];
    let code =
        Overrides { service_name: Some("four".into()), nodes: vec![("c".into(), false)], ..Overrides::default() };
    let (config, warnings) = load(folder.path(), &env, code);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("spanwright.toml:9: `log_artifacts` of node `c` is ignored"), "{warnings:?}");

    let at = |name: &str, line| Source::File(folder.path().join(name), Some(line));
    assert_eq!(
        (config.artifact_level.value.as_str(), config.artifact_level.source),
        ("minimal", at("workflow.yaml", 10))
    );
    assert_eq!(config.experiment.source, at("spanwright.toml", 2));
    assert_eq!(config.sampling_ratio.source, Source::Env("MLFLOW_TRACE_SAMPLING_RATIO"));
    assert_eq!((config.service_name.value.as_deref(), config.service_name.source), (Some("four"), Source::Code));
    let nodes: Vec<_> =
        config.nodes.into_iter().map(|node| (node.name, node.log_prompts.value, node.log_prompts.source)).collect();
    let expected =
        [("a", false, at("workflow.yaml", 2)), ("b", true, at("spanwright.toml", 6)), ("c", false, Source::Code)];
    assert_eq!(nodes, expected.map(|(name, value, source)| (name.to_owned(), value, source)));
    let (off, _) = load(folder.path(), &[("MLFLOW_DISABLE_TRACES", "true")], Overrides::default());
    assert_eq!((off.disabled.value, off.disabled.source), (true, Source::Env("MLFLOW_DISABLE_TRACES")));
}

#[test]
fn doctor_shows_what_a_workflow_file_sets_where_it_stands_and_which_variables_do_nothing() {
    let place = Place::new(env!("CARGO_BIN_EXE_program"))
        .with("SPANWRIGHT_CONFIG", "old.yaml")
        .with("MLFLOW_TRACKING_URI", "http://ann:hunter2@127.0.0.1:1")
        .with("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "true")
        .with("MLFLOW_ASYNC_TRACE_LOGGING_MAX_WORKERS", "20");
    fs::write(place.home.path().join("old.yaml"), OLD).expect("a file");
    let diagnosis = place.doctor();
    let setting = |name: &str| {
        let settings = diagnosis["settings"].as_array().expect("a list");
        let found: Vec<_> = settings.iter().filter(|setting| setting["name"] == name).collect();
        let [found] = found[..] else { panic!("{name} in {settings:#?}") };
        (found["value"].as_str().expect("text").to_owned(), found["source"].as_str().expect("text").to_owned())
    };
    let in_file = |line: u32| format!("{}:{line}", place.home.path().join("old.yaml").display());
    assert!(setting("SPANWRIGHT_CONFIG").1.contains("environment SPANWRIGHT_CONFIG"));
    assert_eq!(setting("MLFLOW_DISABLE_TRACES"), ("false".into(), in_file(18)));
    assert_eq!(setting("MLFLOW_EXPERIMENT_NAME"), ("old_experiment".into(), in_file(20)));
    assert_eq!(setting("SPANWRIGHT_STORE_MAX_DAYS"), ("30".into(), in_file(25)));
    assert_eq!(setting("MLFLOW_TRACKING_URI"), ("http://127.0.0.1:1".into(), "environment MLFLOW_TRACKING_URI".into()));
    assert_eq!(setting("nodes.log_prompts"), ("research: false".into(), in_file(9)));
    let (value, source) = setting("MLFLOW_ASYNC_TRACE_LOGGING_MAX_WORKERS");
    assert!(value == "20" && source.starts_with("no effect: "), "{source}");
    assert!(
        !diagnosis.to_string().contains("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"),
        "what is so anyway is not worth a word"
    );
    assert!(!diagnosis.to_string().contains("hunter2"));
}

#[test]
fn variables_of_mlflow_that_do_nothing_here_are_said_once_with_the_reason() {
    let place = Place::new(env!("CARGO_BIN_EXE_program"))
        .with("MLFLOW_ASYNC_TRACE_LOGGING_MAX_WORKERS", "20")
        .with("MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE", "2000")
        .with("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
        .with("MLFLOW_USE_BATCH_SPAN_PROCESSOR", "true")
        .with("MLFLOW_TRACKING_AWS_SIGV4", "true");
    let ran = place.run(&["do 2 2"]);
    let [delivery, login] = &ran.said[..] else { panic!("{:?}", ran.said) };
    for name in ["_LOGGING_MAX_WORKERS", "_LOGGING_MAX_QUEUE_SIZE", "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] {
        assert!(delivery.contains(name), "{delivery}");
    }
    assert!(delivery.contains("have no effect here: spans are on disk before"), "{delivery}");
    assert!(login.starts_with("MLFLOW_TRACKING_AWS_SIGV4 has no effect here"), "{login}");
    assert_eq!(place.stored().len(), 6);
    let off = place.with("MLFLOW_DISABLE_TRACES", "true").run(&["do 2 2"]);
    assert_eq!(off.said, [""; 0], "where nothing is traced, nothing is said");
}

#[test]
fn what_a_workflow_file_asks_for_and_is_not_there_is_said() {
    let (_, warnings) = of_section("{enabled: true, async_logging: false, redact_pii: true}");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("`async_logging: false` has no effect here: spans are on disk"), "{warnings:?}");
    assert!(warnings[1].contains("`redact_pii: true` has no effect here") && warnings[1].contains("log_prompts"));
    let (_, warnings) = of_section("{enabled: true, async_logging: true, redact_pii: false}");
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn a_file_like_ours_can_be_named_instead_of_found() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("spanwright.toml"), "capture = \"none\"\n").expect("a file");
    fs::write(folder.path().join("other.toml"), "capture = \"keys\"\n").expect("a file");
    let named = |name: &str| Overrides { config_file: Some(NamedConfig::Path(name.into())), ..Overrides::default() };
    let (config, warnings) = load(folder.path(), &[], named("other.toml"));
    assert_eq!((config.capture.value, warnings), (CaptureLevel::Keys, Vec::new()));
    let (_, warnings) = load(folder.path(), &[], named("absent.toml"));
    assert!(warnings.len() == 1 && warnings[0].contains("absent.toml is ignored: it cannot be read"), "{warnings:?}");
}
