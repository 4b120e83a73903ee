//! The assistant's settings files: our hooks and variables come in and go out, everything else stays as it stands there.
//!
//! In: the text of a settings file. Out: its new text; equal to the old one where nothing had to change. Values that are not ours are carried over as
//! their own text, digit for digit, in their order. A file that is not what the assistant writes is refused, never overwritten.

mod file;
mod json;

pub use file::{edit, read};

use serde_json::value::RawValue;

use json::{Node, raw_text};

/// What commands of ours end with.
const OURS: [&str; 2] = [" claude stop-hook", " claude subagent-stop-hook"];
/// What commands of earlier ways to trace the assistant contain.
const OLD: [&str; 2] = ["mlflow.claude_code.hooks", "mlflow autolog claude"];
/// Seconds the assistant waits for a hook; ours takes milliseconds.
const TIMEOUT_S: u64 = 10;

/// A hook to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The event: `Stop`, `SubagentStop`.
    pub event: &'static str,
    /// The command, as a shell reads it.
    pub command: String,
}

/// What is registered in a settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// Hooks of ours.
    pub own: usize,
    /// Of those, hooks that run when the assistant stops.
    pub stop: usize,
    /// Hooks of earlier ways to trace the assistant.
    pub old: usize,
    /// The commands of ours.
    pub commands: Vec<String>,
}

/// Whose a hook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Old,
    Foreign,
}

impl Registered {
    /// What is registered in the settings `text`.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, in words.
    pub fn of(text: &str) -> Result<Self, String> {
        let mut settings = Node::parse(text)?;
        let mut found = Self::default();
        visit_events(&mut settings, |event, groups| {
            each_hook(groups, |hook| {
                let Some(command) = command(hook) else { return true };
                match whose(&command) {
                    Whose::Foreign => {}
                    Whose::Old => found.old += 1,
                    Whose::Ours => {
                        found.own += 1;
                        found.stop += usize::from(event == "Stop");
                        found.commands.push(command);
                    }
                }
                true
            })
        })?;
        Ok(found)
    }
}

/// The settings `text` with `hooks` registered, each once and in place of earlier forms of it, and `env` set; `None` removes a variable.
///
/// # Errors
///
/// What is wrong with the text, in words.
pub fn register(text: &str, hooks: &[Hook], env: &[(&str, Option<String>)]) -> Result<String, String> {
    let mut settings = Node::parse(text)?;
    let before = settings.clone();
    set_env(&mut settings, env)?;
    for hook in hooks {
        let groups = settings.object("hooks")?.list(hook.event)?;
        let mut is_there = false;
        each_hook(groups, |known| {
            if command(known).is_none_or(|command| whose(&command) == Whose::Foreign) {
                return true;
            }
            if std::mem::replace(&mut is_there, true) {
                return false;
            }
            if command(known).as_deref() != Some(hook.command.as_str()) {
                *known = entry_of(hook);
            }
            true
        })?;
        if !is_there {
            groups.push(Node::Object(vec![("hooks".into(), Node::List(vec![entry_of(hook)]))]));
        }
    }
    Ok(if settings == before && !text.trim().is_empty() { text.to_owned() } else { settings.to_string() })
}

/// The settings `text` without any hook of ours or of earlier forms, and without the variables `env`. What is left empty by that goes too; what
/// remains of nothing is `{}`.
///
/// # Errors
///
/// What is wrong with the text, in words.
pub fn unregister(text: &str, env: &[&str]) -> Result<String, String> {
    let mut settings = Node::parse(text)?;
    let before = settings.clone();
    visit_events(&mut settings, |_, groups| {
        each_hook(groups, |hook| command(hook).is_none_or(|command| whose(&command) == Whose::Foreign))
    })?;
    let none: Vec<(&str, Option<String>)> = env.iter().map(|name| (*name, None)).collect();
    set_env(&mut settings, &none)?;
    Ok(if settings == before { text.to_owned() } else { settings.to_string() })
}

/// Quotes a path for a shell, where that is needed.
pub fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@:,".contains(c);
    if path.chars().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn whose(command: &str) -> Whose {
    let command = command.trim();
    if command.contains("spanwright") && OURS.iter().any(|ending| command.ends_with(ending)) {
        Whose::Ours
    } else if OLD.iter().any(|part| command.contains(part)) {
        Whose::Old
    } else {
        Whose::Foreign
    }
}

fn command(hook: &Node) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Known<'a> {
        #[serde(borrow)]
        command: Option<&'a RawValue>,
    }
    let Node::Raw(raw) = hook else { return hook.text_of("command") };
    let known: Known<'_> = serde_json::from_str(raw.get()).ok()?;
    serde_json::from_str(known.command?.get()).ok()
}

fn entry_of(hook: &Hook) -> Node {
    Node::Object(vec![
        ("type".into(), Node::of(&"command")),
        ("command".into(), Node::of(&hook.command)),
        ("timeout".into(), Node::of(&TIMEOUT_S)),
    ])
}

fn set_env(settings: &mut Node, env: &[(&str, Option<String>)]) -> Result<(), String> {
    let had_env = settings.has("env");
    if !had_env && env.iter().all(|(_, value)| value.is_none()) {
        return Ok(());
    }
    let variables = settings.object("env")?;
    let Node::Object(entries) = variables else { return Ok(()) };
    let count = entries.len();
    for (name, value) in env {
        let place = entries.iter().position(|(key, _)| key == name);
        match (place, value) {
            (Some(place), None) => drop(entries.remove(place)),
            (Some(place), Some(value)) if raw_text(&entries[place].1).as_deref() != Some(value) => {
                entries[place].1 = Node::of(value);
            }
            (None, Some(value)) => entries.push(((*name).to_owned(), Node::of(value))),
            _ => {}
        }
    }
    if entries.is_empty() && count > 0 {
        settings.remove("env");
    }
    Ok(())
}

/// Visits the groups of every event; an event, and the section, that is emptied by it goes. What is no list of groups, or no group, holds no hook
/// and stays as it stands.
fn visit_events(
    settings: &mut Node,
    mut visit: impl FnMut(&str, &mut Vec<Node>) -> Result<(), String>,
) -> Result<(), String> {
    if !settings.has("hooks") {
        return Ok(());
    }
    let section = settings.object("hooks")?;
    let names: Vec<String> = section.keys();
    for name in &names {
        let Ok(groups) = section.list(name) else { continue };
        let count = groups.len();
        let _ = visit(name, groups);
        if groups.is_empty() && count > 0 {
            section.remove(name);
        }
    }
    if !names.is_empty() && section.keys().is_empty() {
        settings.remove("hooks");
    }
    Ok(())
}

/// Visits each hook of the groups and keeps those for which `keep` says so; a group that is emptied by it goes. An error if one of them is no group;
/// the others are visited all the same.
fn each_hook(groups: &mut Vec<Node>, mut keep: impl FnMut(&mut Node) -> bool) -> Result<(), String> {
    let mut problem = None;
    groups.retain_mut(|group| {
        if !group.open_object() || !group.has("hooks") {
            return true;
        }
        match group.list("hooks") {
            Ok(hooks) => {
                let count = hooks.len();
                hooks.retain_mut(&mut keep);
                count == 0 || !hooks.is_empty()
            }
            Err(error) => {
                problem = Some(error);
                true
            }
        }
    });
    problem.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENABLED: &str = "MLFLOW_CLAUDE_TRACING_ENABLED";

    fn hook() -> Hook {
        Hook { event: "Stop", command: "/opt/spanwright claude stop-hook".into() }
    }

    fn registered(text: &str) -> String {
        register(text, &[hook()], &[(ENABLED, Some("true".into()))]).expect("settings")
    }

    const FOREIGN: &str = r#"{
  "model": "opus",
  "big": 12345678901234567890.10,
  "env": {
    "ANTHROPIC_MODEL": "x"
  },
  "hooks": {
    "PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "check"}]}],
    "Stop": [
      {"matcher": "", "hooks": [{"type": "command", "command": "beep"}]}
    ]
  },
  "z": [1,   2]
}
"#;

    #[test]
    fn everything_foreign_stays_as_it_stands_and_in_its_order() {
        let text = registered(FOREIGN);
        for kept in [
            r#""big": 12345678901234567890.10"#,
            r#""z": [1,   2]"#,
            r#"{"matcher": "Bash", "hooks": [{"type": "command", "command": "check"}]}"#,
        ] {
            assert!(text.contains(kept), "{text}");
        }
        let places = ["\"model\"", "\"big\"", "\"env\"", "\"hooks\"", "PreToolUse", "beep", "stop-hook", "\"z\""]
            .map(|part| text.find(part));
        assert!(places.is_sorted() && places[0].is_some(), "{text}");
        assert_eq!(registered(&text), text);
        assert_eq!(Registered::of(&text).expect("settings").stop, 1);
        let left = unregister(&text, &[ENABLED]).expect("settings");
        let (left, before): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&left).expect("JSON"), serde_json::from_str(FOREIGN).expect("JSON"));
        assert_eq!(left, before);
    }

    #[test]
    fn earlier_forms_are_replaced_where_they_stand_and_never_doubled() {
        let old = r#"{"hooks":{"Stop":[{"matcher":"m","hooks":[{"command":"a"},{"command":"python -m mlflow.claude_code.hooks"},{"command":"b"}]},{"hooks":[{"command":"mlflow autolog claude stop-hook"}]},{"hooks":[{"command":"'/old dir/spanwright' claude stop-hook"}]}]}}"#;
        let text = registered(old);
        let settings: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let stop = settings["hooks"]["Stop"].as_array().expect("groups");
        assert_eq!(stop.len(), 1, "{text}");
        let commands: Vec<_> =
            stop[0]["hooks"].as_array().expect("hooks").iter().map(|hook| &hook["command"]).collect();
        assert_eq!(commands, ["a", "/opt/spanwright claude stop-hook", "b"]);
        assert_eq!(stop[0]["matcher"], "m");
    }

    #[test]
    fn disabling_takes_ours_and_the_old_ones_and_leaves_the_group_of_a_foreign_one() {
        let text = r#"{"env":{"MLFLOW_CLAUDE_TRACING_ENABLED":"true"},"hooks":{"Stop":[{"matcher":"m","hooks":[{"command":"/opt/spanwright claude stop-hook"},{"command":"python -m mlflow.claude_code.hooks"},{"command":"foreign"}]}]}}"#;
        let left: serde_json::Value =
            serde_json::from_str(&unregister(text, &[ENABLED]).expect("settings")).expect("JSON");
        assert_eq!(left, serde_json::json!({"hooks": {"Stop": [{"matcher": "m", "hooks": [{"command": "foreign"}]}]}}));
        let own = registered("");
        assert_eq!(unregister(&own, &[ENABLED]).expect("settings").trim(), "{}");
    }

    #[test]
    fn what_is_not_settings_is_refused() {
        for text in [
            "[]",
            "{",
            "null",
            "{\"hooks\": 1}",
            r#"{"hooks":{"Stop":{}}}"#,
            r#"{"env":[]}"#,
            "// {}\n{}",
            r#"{"hooks":{"Stop":[{"hooks":7}]}}"#,
            r#"{"hooks":{},"hooks":{}}"#,
        ] {
            assert!(register(text, &[hook()], &[(ENABLED, Some("true".into()))]).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_hook_of_another_event_stays_and_ours_come_and_go_beside_it() {
        let odd = r#"{"hooks":{"//":"ours are below","PreToolUse":[{"hooks":7},7]}}"#;
        let text = registered(odd);
        assert!(text.contains(r#""//": "ours are below""#) && text.contains(r#"{"hooks":7}"#), "{text}");
        assert_eq!(Registered::of(&text).expect("settings").stop, 1);
        let left: serde_json::Value =
            serde_json::from_str(&unregister(&text, &[ENABLED]).expect("settings")).expect("JSON");
        assert_eq!(left, serde_json::from_str::<serde_json::Value>(odd).expect("JSON"));
    }

    #[test]
    fn a_path_is_quoted_for_a_shell_only_where_it_must_be() {
        assert_eq!(quoted("/usr/bin/spanwright"), "/usr/bin/spanwright");
        assert_eq!(quoted("/my bin/it's"), r"'/my bin/it'\''s'");
    }
}
