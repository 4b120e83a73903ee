//! The assistant's settings files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{ENABLED, User};
use crate::ground::Run;

const FOREIGN: &str = r#"{
  "permissions": {"allow": ["Bash(ls:*)"]},
  "env": {"ANTHROPIC_MODEL": "opus", "PRICE": "1.10"},
  "hooks": {
    "PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "guard"}]}],
    "Stop": [{"matcher": "x", "hooks": [{"type": "command", "command": "beep"}]}]
  },
  "cleanupPeriodDays": 30
}
"#;

impl User {
    fn settings(&self) -> PathBuf {
        self.home().join(".claude/settings.json")
    }

    fn write_settings(&self, text: &str) {
        fs::create_dir_all(self.home().join(".claude")).unwrap();
        fs::write(self.settings(), text).unwrap();
    }

    fn setup(&self, more: &[&str]) -> Run {
        let args: Vec<&str> = ["claude", "setup"].iter().chain(more).copied().collect();
        let mut command = self.ground.command(&args);
        command
            .env(ENABLED, "true")
            .env("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
            .env("MLFLOW_EXPERIMENT_NAME", "coding");
        Run::of(command.output().unwrap())
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn nothing_is_registered_unless_it_is_wanted() {
    let user = User::new();
    user.write_settings(FOREIGN);
    let run = user.ground.run(&["claude", "setup"]);
    assert_eq!((run.code, fs::read_to_string(user.settings()).unwrap().as_str()), (Some(0), FOREIGN));
    assert!(run.out.contains("MLFLOW_CLAUDE_TRACING_ENABLED=true"), "{}", run.out);
    let bare = User::new();
    assert_eq!(bare.ground.run(&["claude", "setup", "--project"]).code, Some(0));
    assert!(!bare.home().join(".claude").exists());
}

#[test]
fn setting_up_keeps_what_is_foreign_adds_one_hook_and_done_again_changes_nothing() {
    let user = User::new();
    user.write_settings(FOREIGN);
    fs::set_permissions(user.settings(), fs::Permissions::from_mode(0o640)).unwrap();
    let run = user.setup(&[]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let text = fs::read_to_string(user.settings()).unwrap();
    let (mut settings, before) = (parsed(&text), parsed(FOREIGN));
    let stop = settings["hooks"]["Stop"].as_array().unwrap();
    assert_eq!((stop.len(), &stop[0]), (2, &before["hooks"]["Stop"][0]));
    let command = stop[1]["hooks"][0]["command"].as_str().unwrap();
    assert!(command.starts_with('/') && command.ends_with("/spanwright claude stop-hook"), "{command}");
    let expected = json!({
        "ANTHROPIC_MODEL": "opus", "PRICE": "1.10", ENABLED: "true",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_EXPERIMENT_NAME": "coding",
    });
    assert_eq!(settings["env"], expected);
    let hooks = settings["hooks"].as_object_mut().unwrap();
    assert!(hooks.remove("SubagentStop").is_some() && hooks.remove("Stop").is_some());
    assert_eq!(settings["hooks"], json!({"PreToolUse": before["hooks"]["PreToolUse"]}));
    for key in ["permissions", "cleanupPeriodDays"] {
        assert_eq!(settings[key], before[key]);
    }
    assert_eq!(fs::metadata(user.settings()).unwrap().permissions().mode() & 0o777, 0o640);
    for _ in 0..3 {
        assert_eq!(user.setup(&[]).code, Some(0));
        assert_eq!(fs::read_to_string(user.settings()).unwrap(), text);
    }
}

#[test]
fn the_file_is_the_one_asked_for_and_one_that_cannot_be_read_is_left_as_it_is() {
    let user = User::new();
    let project = user.home().join("project");
    fs::create_dir_all(&project).unwrap();
    let run = |flag: &str| {
        let mut command = user.ground.command(&["claude", "setup", "--enable", flag]);
        Run::of(command.current_dir(&project).output().unwrap()).code
    };
    assert_eq!((run("--project"), run("--local")), (Some(0), Some(0)));
    assert!(project.join(".claude/settings.json").exists() && project.join(".claude/settings.local.json").exists());
    assert!(!user.settings().exists());
    for text in ["{ not json", "[]", "{\"hooks\": []}"] {
        user.write_settings(text);
        let run = user.setup(&[]);
        assert_eq!(run.code, Some(1), "{}", run.out);
        assert!(run.err.contains("is left as it is"), "{}", run.err);
        assert_eq!(fs::read_to_string(user.settings()).unwrap(), text);
    }
}

#[test]
fn a_password_does_not_get_into_the_settings_a_project_shares() {
    let user = User::new();
    let args = ["claude", "setup", "--enable", "--tracking-uri", "http://me:secret@127.0.0.1:9"];
    let shared = user.ground.run(&[&args[..], &["--project"]].concat());
    assert_eq!(shared.code, Some(1));
    assert!(!shared.err.contains("secret") && !user.settings().exists(), "{}", shared.err);
    assert_eq!(user.ground.run(&[&args[..], &["--local"]].concat()).code, Some(0));
    let status = user.ground.run(&["claude", "status"]);
    assert!(status.out.contains("http://127.0.0.1:9") && !status.out.contains("secret"), "{}", status.out);
}

#[test]
fn the_environment_beats_local_settings_and_those_beat_the_projects() {
    let user = User::new();
    let write = |name: &str, env: Value| {
        fs::write(user.home().join(".claude").join(name), json!({"env": env}).to_string()).unwrap()
    };
    let experiment = |env: &[(&str, &str)]| {
        let mut command = user.ground.command(&["claude", "status", "--json"]);
        Run::of(command.envs(env.iter().copied()).output().unwrap()).json()["experiment"].clone()
    };
    user.write_settings(r#"{"env": {"MLFLOW_EXPERIMENT_NAME": "project"}}"#);
    assert_eq!(experiment(&[]), "project");
    write("settings.local.json", json!({"MLFLOW_EXPERIMENT_NAME": "local"}));
    assert_eq!(experiment(&[]), "local");
    assert_eq!(experiment(&[("MLFLOW_EXPERIMENT_NAME", "environment")]), "environment");
    write("settings.local.json", json!({"MLFLOW_EXPERIMENT_NAME": "local", "MLFLOW_EXPERIMENT_ID": "7"}));
    assert_eq!(experiment(&[]), "id 7");
    let both = user.ground.run(&["claude", "setup", "--enable", "--experiment-id", "7", "--experiment-name", "x"]);
    assert_eq!(both.code, Some(2), "{}", both.err);
}

#[test]
fn disabling_takes_ours_and_mlflows_own_and_nothing_else() {
    let user = User::new();
    let ours = user.setup(&[]);
    assert_eq!(ours.code, Some(0));
    let command =
        parsed(&fs::read_to_string(user.settings()).unwrap())["hooks"]["Stop"][0]["hooks"][0]["command"].clone();
    let group = json!({"matcher": "m", "hooks": [{"command": command}, {"command": "python -m mlflow.claude_code.hooks"}, {"command": "beep"}]});
    let env = json!({ENABLED: "true", "MLFLOW_TRACKING_URI": "u", "MLFLOW_EXPERIMENT_ID": "1", "MLFLOW_EXPERIMENT_NAME": "n"});
    user.write_settings(&json!({"env": env, "hooks": {"Stop": [group]}}).to_string());
    let run = user.ground.run(&["claude", "disable"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let left = parsed(&fs::read_to_string(user.settings()).unwrap());
    assert_eq!(left, json!({"hooks": {"Stop": [{"matcher": "m", "hooks": [{"command": "beep"}]}]}}));
    let again = user.ground.run(&["claude", "disable"]);
    assert!(again.out.contains("was not enabled"), "{}", again.out);
    fs::remove_file(user.settings()).unwrap();
    user.setup(&[]);
    assert_eq!(user.ground.run(&["claude", "disable"]).code, Some(0));
    assert!(!user.settings().exists(), "an empty file goes");
}

#[test]
fn the_doctor_says_what_keeps_turns_from_arriving() {
    let user = User::new();
    let doctor = |env: &[(&str, &str)]| {
        let mut command = user.ground.command(&["claude", "doctor", "--json"]);
        Run::of(command.envs(env.iter().copied()).output().unwrap())
    };
    let status = |run: &Run, name: &str| {
        let checks = run.json()["checks"].as_array().unwrap().clone();
        checks
            .into_iter()
            .find(|check| check["name"] == name)
            .map(|check| (check["status"].clone(), check["detail"].clone()))
    };
    let bare = doctor(&[]);
    assert_eq!(bare.code, Some(1));
    assert_eq!(status(&bare, "switch").unwrap().0, "failed");
    assert_eq!(status(&bare, "hooks").unwrap().0, "failed");
    user.setup(&[]);
    let away = doctor(&[]);
    let (switch, said) = status(&away, "switch").unwrap();
    assert!(switch == "ok" && said.as_str().unwrap().contains("settings.json"), "{said}");
    assert_eq!(status(&away, "hooks").unwrap().0, "ok");
    assert_eq!(status(&away, "server").unwrap().0, "failed");
    let off = doctor(&[(ENABLED, "false")]);
    let (switch, said) = status(&off, "switch").unwrap();
    assert!(switch == "failed" && said.as_str().unwrap().contains("by environment"), "{said}");
}
