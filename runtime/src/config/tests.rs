use std::collections::HashMap;
use std::fs;

use super::*;

/// Loads with these variables, in an empty folder or the given one.
fn load_in(folder: &Path, variables: &[(&str, &str)], code: Overrides) -> (Config, Vec<String>) {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::load(code, &|name| variables.get(name).cloned(), folder)
}

fn load(variables: &[(&str, &str)]) -> (Config, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    load_in(folder.path(), variables, Overrides::default())
}

fn silently(variables: &[(&str, &str)]) -> Config {
    let (config, warnings) = load(variables);
    assert_eq!(warnings, [""; 0]);
    config
}

#[test]
fn the_later_layer_wins_and_every_value_says_where_it_came_from() {
    let top = tempfile::tempdir().expect("a folder");
    let below = top.path().join("a/b");
    fs::create_dir_all(&below).expect("folders");
    let file = top.path().join("spanwright.toml");
    let text = "capture = \"keys\"\n\nsampling_ratio = 0.5\nflush_timeout_ms = 0x10\nstore = \"kept\"\nredact = [\"iban\", \"ssn\"]\n";
    fs::write(&file, text).expect("a file");
    let env = [("SPANWRIGHT_CAPTURE", "preview"), ("MLFLOW_TRACE_SAMPLING_RATIO", " 0.25 "), ("SPANWRIGHT_LOG", "")];
    let code = Overrides { capture: Some(Capture::None), ..Overrides::default() };
    let (config, warnings) = load_in(&below, &env, code);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(config.capture, Setting { value: Capture::None, source: Source::Code });
    assert_eq!(config.sampling_ratio, Setting { value: 0.25, source: Source::Env("MLFLOW_TRACE_SAMPLING_RATIO") });
    let in_file = |line| Source::File(file.clone(), Some(line));
    assert_eq!(config.flush_timeout, Setting { value: Duration::from_millis(16), source: in_file(4) });
    assert_eq!(config.store, Setting { value: StorePlace::At(top.path().join("kept")), source: in_file(5) });
    assert_eq!(config.redact.value, ["iban", "ssn"]);
    assert_eq!(config.log, Setting { value: true, source: Source::Default });
    assert_eq!(config.log.source.to_string(), "default");
    assert!(config.flush_timeout.source.to_string().ends_with("spanwright.toml:4"));
}

#[test]
fn what_cannot_be_used_is_named_with_its_value_and_the_choices() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "captur = \"keys\"\nzzz = 1\ntoken = \"hunter2\"\nmax_retries = -1\nsampling_ratio = 2\n[store]\n";
    fs::write(folder.path().join("spanwright.toml"), text).expect("a file");
    let env = [
        ("SPANWRIGHT_CAPTURE", "everything"),
        ("MLFLOW_TRACE_SAMPLING_RATIO", "NaN"),
        ("SPANWRIGHT_FLUSH_TIMEOUT_MS", "2s"),
        ("SPANWRIGHT_LIVE_AFTER_MS", "soon"),
        ("MLFLOW_DISABLE_TRACES", "maybe"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "1e300"),
        ("SPANWRIGHT_MAX_VALUE_BYTES", "0"),
    ];
    let (config, warnings) = load_in(folder.path(), &env, Overrides::default());
    let said = |parts: &[&str]| {
        let found = warnings.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count();
        assert_eq!(found, 1, "{parts:?} in {warnings:#?}");
    };
    said(&["spanwright.toml:1:", "`captur`", "did you mean `capture`?"]);
    said(&["spanwright.toml:2:", "`zzz`", "the keys are", "tracking_uri"]);
    said(&["spanwright.toml:3:", "`token`", "MLFLOW_TRACKING_TOKEN"]);
    said(&["spanwright.toml:4:", "max_retries = -1", "0 or more"]);
    said(&["spanwright.toml:5:", "sampling_ratio = 2", "from 0 to 1"]);
    said(&["spanwright.toml:6:", "`store`", "expected text"]);
    said(&["SPANWRIGHT_CAPTURE=everything", "none, keys, preview or full"]);
    said(&["MLFLOW_TRACE_SAMPLING_RATIO=NaN", "from 0 to 1"]);
    said(&["SPANWRIGHT_FLUSH_TIMEOUT_MS=2s", "milliseconds"]);
    said(&["SPANWRIGHT_LIVE_AFTER_MS=soon", "milliseconds", "or off"]);
    said(&["MLFLOW_DISABLE_TRACES=maybe", "true or false"]);
    said(&["MLFLOW_HTTP_REQUEST_TIMEOUT=1e300", "seconds"]);
    said(&["SPANWRIGHT_MAX_VALUE_BYTES=0", "bytes"]);
    assert_eq!(warnings.len(), 13, "{warnings:#?}");
    assert!(!warnings.concat().contains("hunter2"));
    let (untouched, _) = load(&[]);
    let values = |config: &Config| config.settings().into_iter().map(|shown| shown.value).collect::<Vec<_>>();
    assert_eq!(values(&config), values(&untouched));
}

#[test]
fn the_levels_of_lints_stand_in_the_same_file_and_are_no_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |text: &str| fs::write(folder.path().join("spanwright.toml"), text).expect("a file");
    write("capture = \"keys\"\n[lints]\nlost-context = \"deny\"\nno-such-rule = 3\n");
    let (config, warnings) = load_in(folder.path(), &[], Overrides::default());
    assert_eq!((config.capture.value, warnings), (Capture::Keys, Vec::new()));

    write("lints = \"deny\"\n");
    let (_, warnings) = load_in(folder.path(), &[], Overrides::default());
    assert!(warnings.len() == 1 && warnings[0].contains("`lints`"), "{warnings:?}");
}

#[test]
fn a_file_that_is_not_toml_is_ignored_as_a_whole_and_said_once() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("spanwright.toml"), "capture = \"none\"\nlog = = \"off\"\n").expect("a file");
    let (config, warnings) = load_in(folder.path(), &[], Overrides::default());
    assert_eq!((config.capture.value, config.log.value), (Capture::Full, true));
    assert!(warnings.len() == 1 && warnings[0].contains("line 2"), "{warnings:?}");
}

#[test]
fn a_tracking_uri_is_a_server_or_the_store_is_all() {
    let uri = |text: &str| match silently(&[("MLFLOW_TRACKING_URI", text)]).destination.value {
        Destination::Http(uri) => (uri.to_string(), uri.host().to_owned()),
        other => panic!("{text}: {other:?}"),
    };
    let expected = |text: &str, host: &str| (text.to_owned(), host.to_owned());
    assert_eq!(uri("http://127.0.0.1:5000"), expected("http://127.0.0.1:5000", "127.0.0.1"));
    assert_eq!(
        uri(" HTTPS://MLflow.Example.com:443/Base/ "),
        expected("https://mlflow.example.com/Base", "mlflow.example.com")
    );
    assert_eq!(uri("http://[::1]:80/?x=1#y"), expected("http://[::1]", "::1"));
    assert_eq!(uri("https://h:80"), expected("https://h:80", "h"));
    assert_eq!(silently(&[]).destination, Setting { value: Destination::StoreOnly, source: Source::Default });

    for text in
        ["sqlite:///mlflow.db", "file:./mlruns", "./mlruns", "/var/mlruns", "postgresql://u:hunter2@h/db", "databricks"]
    {
        let (config, warnings) = load(&[("MLFLOW_TRACKING_URI", text)]);
        assert!(matches!(config.destination.value, Destination::Unsupported(_)), "{text}");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(!warnings[0].contains("  "), "{warnings:?}");
        let clean = text.replace("u:hunter2@", "");
        for part in [clean.as_str(), "mlflow server", "spanwright push"] {
            assert!(warnings[0].contains(part), "{part} in {warnings:?}");
        }
        assert_eq!(
            warnings[0].contains(&format!("--backend-store-uri {clean}`")),
            text != "databricks",
            "{warnings:?}"
        );
    }
    for text in [
        "localhost:5000",
        "u:1@host:5000",
        "http://",
        "http://:5000",
        "http://h:99999",
        "http://a b",
        "http://[::1",
        "https://u:1/hunter2@h",
    ] {
        let (config, warnings) = load(&[("MLFLOW_TRACKING_URI", text)]);
        assert_eq!(config.destination.value, Destination::StoreOnly, "{text}");
        assert!(warnings.len() == 1 && warnings[0].starts_with("MLFLOW_TRACKING_URI="), "{warnings:?}");
        assert!(!warnings[0].contains("hunter2@") && !warnings[0].contains("u:1"), "{warnings:?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let off = Overrides { tracking_uri: Some(String::new()), ..Overrides::default() };
    let (config, _) = load_in(folder.path(), &[("MLFLOW_TRACKING_URI", "http://h")], off);
    assert_eq!(config.destination, Setting { value: Destination::StoreOnly, source: Source::Code });
}

#[test]
fn credentials_come_from_the_environment_the_uri_or_the_file_of_mlflow() {
    let home = tempfile::tempdir().expect("a folder");
    fs::create_dir(home.path().join(".mlflow")).expect("a folder");
    let file = home.path().join(".mlflow/credentials");
    let text = "[other]\nmlflow_tracking_username = no\n[mlflow]\n# a comment\nmlflow_tracking_username = kept\nMLFLOW_TRACKING_PASSWORD: p=w\n[x]\n";
    fs::write(&file, text).expect("a file");
    let home = home.path().to_str().expect("text");
    let basic =
        |user: &str, password: &str| Credentials::Basic { user: user.to_owned(), password: password.to_owned() };
    let with = |variables: &[(&str, &str)]| {
        let mut all = vec![("MLFLOW_TRACKING_URI", "http://h")];
        all.extend_from_slice(variables);
        silently(&all).credentials
    };
    let user = ("MLFLOW_TRACKING_USERNAME", "u");
    let password = ("MLFLOW_TRACKING_PASSWORD", "p");
    let token = ("MLFLOW_TRACKING_TOKEN", "t\n");
    assert_eq!(with(&[user, password, token]), Setting { value: basic("u", "p"), source: Source::Env(user.0) });
    assert_eq!(
        with(&[user, token]),
        Setting { value: Credentials::Token("t".to_owned()), source: Source::Env(token.0) }
    );
    assert_eq!(with(&[("HOME", home)]), Setting { value: basic("kept", "p=w"), source: Source::File(file, None) });
    assert_eq!(with(&[("HOME", home), password]).value, basic("kept", "p"));
    assert_eq!(with(&[]), Setting { value: Credentials::None, source: Source::Default });
    let in_uri = ("MLFLOW_TRACKING_URI", "http://me%40x:p%3Aw%@h");
    assert_eq!(
        with(&[("HOME", home), in_uri]),
        Setting { value: basic("me@x", "p:w%"), source: Source::Env(in_uri.0) }
    );

    let (config, warnings) = load(&[("MLFLOW_TRACKING_URI", "http://h"), user]);
    assert_eq!(config.credentials.value, Credentials::None);
    assert!(warnings.len() == 1 && warnings[0].contains("MLFLOW_TRACKING_PASSWORD is not set"), "{warnings:?}");
}

#[test]
fn no_secret_is_ever_printed() {
    let secrets = ["planted-user", "planted-password", "planted-token", "planted-uri"];
    for uri in [
        "http://planted-user:planted-uri@h:5000",
        "postgresql://planted-user:planted-uri@h/db",
        "http://planted-user:planted-uri@",
        "planted-user:planted-uri@h:5000",
        "http://planted-user:12#planted-uri@h",
        "http://planted-user:?planted-uri@h",
    ] {
        for variables in [
            &[("MLFLOW_TRACKING_USERNAME", secrets[0]), ("MLFLOW_TRACKING_PASSWORD", secrets[1])][..],
            &[("MLFLOW_TRACKING_TOKEN", secrets[2])][..],
            &[][..],
        ] {
            let mut variables = variables.to_vec();
            variables.push(("MLFLOW_TRACKING_URI", uri));
            let (config, warnings) = load(&variables);
            let printed = format!("{config:?} {:?} {warnings:?} {}", config.settings(), config.credentials.value);
            assert!(!secrets.iter().any(|secret| printed.contains(secret)), "{printed}");
        }
    }
}

#[test]
fn the_experiment_id_beats_the_name_within_a_layer() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("spanwright.toml"), "experiment_id = 7\n").expect("a file");
    let by = |variables: &[(&str, &str)]| load_in(folder.path(), variables, Overrides::default()).0.experiment.value;
    let (id, name) = (("MLFLOW_EXPERIMENT_ID", "3"), ("MLFLOW_EXPERIMENT_NAME", "n"));
    assert_eq!(by(&[id, name]), Some(Experiment::Id("3".to_owned())));
    assert_eq!(by(&[name]), Some(Experiment::Name("n".to_owned())));
    assert_eq!(by(&[("MLFLOW_EXPERIMENT_ID", " ")]), Some(Experiment::Id("7".to_owned())));
}

#[test]
fn unwanted_message_contents_cap_capturing_whatever_else_says() {
    let content = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
    let level = |value: &str, capture: &str| silently(&[(content, value), ("SPANWRIGHT_CAPTURE", capture)]).capture;
    assert_eq!(level("False", "full"), Setting { value: Capture::Keys, source: Source::Env(content) });
    assert_eq!(level("NO_CONTENT", "preview").value, Capture::Keys);
    assert_eq!(level("false", "none").value, Capture::None);
    assert_eq!(level("true", "preview").value, Capture::Preview);
    assert_eq!(level("span_only", "full").value, Capture::Full);
    let folder = tempfile::tempdir().expect("a folder");
    let code = Overrides { capture: Some(Capture::Full), ..Overrides::default() };
    assert_eq!(load_in(folder.path(), &[(content, "false")], code).0.capture.value, Capture::Keys);
}

#[test]
fn the_kill_switch_takes_the_words_of_mlflow() {
    for (text, disabled) in [("true", true), ("1", true), (" YES ", true), ("false", false), ("0", false), ("", false)]
    {
        assert_eq!(silently(&[("MLFLOW_DISABLE_TRACES", text)]).disabled.value, disabled, "{text}");
    }
}

#[test]
fn places_are_words_or_folders() {
    let config = silently(&[("SPANWRIGHT_STORE", "OFF"), ("SPANWRIGHT_CHUNKS", "heap")]);
    assert_eq!((config.store.value, config.chunks.value), (StorePlace::Off, ChunkPlace::Heap));
    let config = silently(&[("SPANWRIGHT_STORE", "/x"), ("SPANWRIGHT_CHUNKS", "/dev/shm")]);
    assert_eq!(config.store.value, StorePlace::At("/x".into()));
    assert_eq!(config.chunks.value, ChunkPlace::At("/dev/shm".into()));
    assert_eq!(silently(&[]).store.value, StorePlace::Nearest);
}

#[test]
fn the_table_and_doctor_name_the_same_settings_and_defaults() {
    let (config, _) = load(&[]);
    for shown in config.settings() {
        let variable = VARIABLES.iter().find(|known| known.name == shown.name).expect("a variable");
        let unset = if shown.name == "MLFLOW_EXPERIMENT_NAME" { "" } else { variable.default };
        assert_eq!((shown.value.as_str(), shown.source), (unset, Source::Default), "{}", shown.name);
    }
    let shown: Vec<_> = config.settings().iter().map(|shown| shown.name).collect();
    let unshown = VARIABLES.iter().map(|known| known.name).filter(|name| !shown.contains(name)).collect::<Vec<_>>();
    let elsewhere = [
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_EXPERIMENT_ID",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
    ];
    assert_eq!(unshown, elsewhere);
}

#[test]
fn artifacts_are_written_by_level_and_not_at_all_where_they_are_switched_off() {
    let kinds = [ArtifactKind::Summary, ArtifactKind::Messages, ArtifactKind::Everything];
    let written = |variables: &[(&str, &str)]| kinds.map(|kind| silently(variables).writes_artifact(kind));
    let level = |word| ("SPANWRIGHT_ARTIFACT_LEVEL", word);
    let off = ("SPANWRIGHT_LOG_ARTIFACTS", "false");
    assert_eq!(written(&[level("minimal")]), [true, false, false]);
    assert_eq!(written(&[level("standard")]), [true, true, false]);
    assert_eq!(written(&[level("FULL")]), [true, true, true]);
    assert_eq!(written(&[]), written(&[level("standard")]));
    for word in ["minimal", "standard", "full"] {
        assert_eq!(written(&[level(word), off]), [false; 3], "{word}");
    }
    let (config, warnings) = load(&[level("verbose")]);
    assert_eq!(config.artifact_level, Setting { value: ArtifactLevel::Standard, source: Source::Default });
    assert_eq!(warnings, ["SPANWRIGHT_ARTIFACT_LEVEL=verbose is ignored: expected minimal, standard or full"]);
}
