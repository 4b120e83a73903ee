//! The command line.

pub mod report;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use spanwright_contract::{lock, weaver};

use report::Report;

const EXIT_CODES: &str = "\
Exit codes:
  0  it worked; for `doctor`: traces are recorded and reach their destination
  1  it did not, and the output says why; what stops a command goes to standard error, with --json
     also as an object {\"error\", \"hint\"} to standard output
  2  the command line is wrong
  3  a gate of `report` failed

Environment: what your program reads is read here too (MLFLOW_TRACKING_URI, SPANWRIGHT_STORE, …);
`spanwright doctor` shows every setting and where it came from. NO_COLOR switches colours off.";

/// Look at stored traces, deliver them to MLflow, and find out what is wrong.
#[derive(Debug, Parser)]
#[command(name = "spanwright", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// The store to use: a `.spanwright` folder, or a folder that holds one. Default: as your program finds it.
    #[arg(long, global = true, value_name = "PATH")]
    store: Option<PathBuf>,

    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,
}

impl Args {
    /// The store that is asked for.
    pub fn place(&self) -> Option<&Path> {
        self.store.as_deref()
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show one trace as a tree of its spans.
    Tree(Tree),
    /// List the stored traces, newest first.
    List(List),
    /// Deliver what waits in the store to an MLflow server. Safe to interrupt and to repeat.
    Push(Push),
    /// Have judges score the newest traces, in the store or on a server. Safe to repeat.
    Evaluate(Evaluate),
    /// Check the configuration, the store and the server, and say what is wrong.
    Doctor(Doctor),
    /// Report over stored traces, or those of a server: costs, where the time goes, how runs end, how two differ.
    Report {
        /// What to report.
        #[command(subcommand)]
        what: Report,
    },
    /// Show what tokens of models cost: the built-in prices, with your own over them.
    Prices(Prices),
    /// Show what the attributes and declarations of a source tree become.
    Expand(Expand),
    /// Show what a change does: contract, expansions and trace trees before and after, beside each other.
    Review(Review),
    /// List every span of a workspace from its source, without building it.
    Catalog(Catalog),
    /// Find what looks wrong in the telemetry of a workspace's source, without building it.
    Lint(Lint),
    /// Trace the sessions of Claude Code: each turn becomes a trace.
    Claude {
        /// What to do.
        #[command(subcommand)]
        what: Claude,
    },
}

const CLAUDE_SETTINGS: &str = "\
Each setting is looked up in the environment, then in .claude/settings.local.json and .claude/settings.json of the
project, then in ~/.claude/settings.json. The store of all sessions, and claude.log, are in $XDG_STATE_HOME/spanwright.";

/// What to do with sessions of Claude Code.
#[derive(Debug, Subcommand)]
#[command(after_help = CLAUDE_SETTINGS)]
pub enum Claude {
    /// Register the hooks in the assistant's settings, if MLFLOW_CLAUDE_TRACING_ENABLED is true.
    Setup(ClaudeSetup),
    /// Show whether turns are traced, where they go, and which setting says so.
    Status,
    /// Check the switch, the hooks, the server and the log, and say what is wrong.
    Doctor,
    /// Remove the hooks and their settings again.
    Disable(ClaudeFiles),
    /// Make traces of a transcript: show them, store them, and deliver them with --push.
    Convert(ClaudeConvert),
    /// What the assistant calls when it is done: an event on standard input; never fails.
    StopHook,
    /// What the assistant calls when a sub-agent is done; never fails.
    SubagentStopHook,
}

/// Which settings file.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(multiple = false)]
pub struct ClaudeFiles {
    /// ~/.claude/settings.json.
    #[arg(long)]
    pub user: bool,

    /// .claude/settings.json of the project.
    #[arg(long)]
    pub project: bool,

    /// .claude/settings.local.json of the project.
    #[arg(long)]
    pub local: bool,
}

/// What to register.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a file named, the user's. Everything else in it stays as it is; done again, nothing changes. Hooks of MLflow's own, of\n\
either form, are replaced.\n\nWith --json: {\"enabled\", \"changed\"}; `changed` lists files."
)]
pub struct ClaudeSetup {
    #[command(flatten)]
    pub files: ClaudeFiles,

    /// Switch tracing on, whatever MLFLOW_CLAUDE_TRACING_ENABLED says now.
    #[arg(long)]
    pub enable: bool,

    /// The server. Default: MLFLOW_TRACKING_URI.
    #[arg(long, value_name = "URI")]
    pub tracking_uri: Option<String>,

    /// The experiment, by number. Default: MLFLOW_EXPERIMENT_ID.
    #[arg(long, value_name = "ID", conflicts_with = "experiment_name")]
    pub experiment_id: Option<String>,

    /// The experiment, by name. Default: MLFLOW_EXPERIMENT_NAME.
    #[arg(long, value_name = "NAME")]
    pub experiment_name: Option<String>,
}

/// What to convert.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A turn that is known, by its session and prompt, is not stored twice, whoever has told it.\n\n\
With --json: {\"store\", \"traces\": [{\"trace_id\", \"was_known\", \"notices\", \"spans\"}], \"delivered\"}; `delivered` counts spans."
)]
pub struct ClaudeConvert {
    /// The transcript: <session>.jsonl, or agent-<id>.jsonl of a sub-agent.
    pub file: PathBuf,

    /// Every turn, not only the last.
    #[arg(long)]
    pub all_turns: bool,

    /// Show the traces and store nothing.
    #[arg(long, conflicts_with = "push")]
    pub dry_run: bool,

    /// Deliver what waits to the server.
    #[arg(long)]
    pub push: bool,
}

/// Which trace to show.
#[derive(Debug, clap::Args)]
#[command(after_help = "What people, models and code have said of the trace stands below it.\n\n\
With --json: {\"store\", \"trace\", \"spans\", \"assessments\"}; `trace` as in `list`, `spans` in the order of their start.")]
pub struct Tree {
    /// Id of the trace, with or without `tr-`, or how it begins. Default: the newest trace.
    pub trace: Option<String>,

    /// The newest trace.
    #[arg(long, conflicts_with = "trace")]
    pub last: bool,
}

/// Which traces to list.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --json: {\"store\", \"traces\": [{\"trace_id\", \"name\", \"state\", \"started\", \"duration_ms\", \"spans\", \"errors\",\n\
\"tokens\", \"workflow\", \"session\", \"user\", \"experiment\", \"destination\", \"delivery\", \"undelivered\", \"rejected\"}]}.\n\
`state` is running, ok or error; `delivery` is local, pending, partly_rejected or delivered; `duration_ms` is null while running."
)]
pub struct List {
    /// At most this many.
    #[arg(short = 'n', long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,

    /// Only this session.
    #[arg(long)]
    pub session: Option<String>,

    /// Only this value of the tag `workflow`.
    #[arg(long)]
    pub workflow: Option<String>,
}

/// Where to deliver.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --to, traces that were stored without a server go to the configured one, and those that wait for it follow.\n\
With --to, everything that server has not got goes there. A server has each span once, however often this is run.\n\n\
With --json: {\"destination\", \"delivered\", \"pending\", \"adopted\": {\"traces\", \"spans\"}, \"rejected\", \"blocked\"}; counts of\n\
spans, except for adopted.traces; rejected and blocked list causes in words."
)]
pub struct Push {
    /// The server: http://… or https://… Default: the configured one (MLFLOW_TRACKING_URI).
    #[arg(long, value_name = "URI")]
    pub to: Option<String>,
}

/// What to evaluate, and by whom.
#[derive(Debug, clap::Args)]
#[command(after_help = EVALUATE_HELP)]
pub struct Evaluate {
    /// The newest traces that have an answer; those of judges are passed over.
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub last: u64,

    /// A file that says what the judge is; may be repeated.
    #[arg(long, required = true, value_name = "FILE")]
    pub judge: Vec<PathBuf>,

    /// Read the traces of this server, and bring the scores there: http://… or https://… Its experiment is the configured one.
    #[arg(long, value_name = "URI")]
    pub from: Option<String>,

    /// Say what would be judged and ask nobody.
    #[arg(long)]
    pub dry_run: bool,
}

const EVALUATE_HELP: &str = "\
A judge's file (TOML):
  name = \"relevance-judge\"      names it; its scores are known by it
  metric = \"relevance\"          what it scores, from 0 to 1
  prompt = \"…\"                  what the model is told; question and answer follow by themselves
  model = \"…\"                   default: OPENAI_MODEL
  endpoint = \"http://…/v1\"      OpenAI-compatible; default: OPENAI_BASE_URL, else OpenAI's own;
                                 OPENAI_API_KEY goes there and to no other address
  sampling = 1.0                 share of the traces that are judged, chosen by their ids: the same ones each time
  temperature = 0.0              default: the endpoint's own
  version = 1                    another number judges again what an earlier one has

A trace that a judge has judged is passed over. Scores of the store wait there for the server of their trace, as spans do; `spanwright push`
delivers them. The judges' own calls are traces in the store.

With --json: {\"source\", \"judged\", \"known\", \"skipped\", \"failed\", \"results\": [{\"trace_id\", \"name\", \"judge\", \"metric\", \"status\",
\"score\", \"reasoning\", \"why\"}]}; `status` is judged, known, skipped, failed or, with --dry-run, due. Exit code 1 if anything failed.";

/// How to check.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --json: {\"healthy\", \"summary\", \"checks\": [{\"name\", \"status\", \"detail\", \"remedy\"}], \"settings\": [{\"name\", \"value\",\n\
\"source\"}], \"store\"}; `status` is ok, warning, failed or skipped."
)]
pub struct Doctor {
    /// Check this server instead of the configured one.
    #[arg(long, value_name = "URI")]
    pub to: Option<String>,
}

/// Which prices to show.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prices are US dollars for a million tokens, at list price. Your own stand in a file that SPANWRIGHT_PRICES, or `prices` in
spanwright.toml, names:

  as_of = \"2026-01-31\"
  [providers.openai.models]
  \"my-fine-tune\" = { input = 3.0, output = 12.0, cache_read = 1.5, cache_write = 3.75, cache_write_1h = 6.0 }

Only input and output are needed. A provider may have `aliases` (other names of it), `families` (beginnings of names of
its models) and `free = true`.

With --json: {\"as_of\", \"file\", \"prices\": [{\"provider\", \"model\", \"input\", \"output\", \"cache_read\", \"cache_write\",
\"cache_write_1h\", \"as_of\"}]}; a price of a cache is what is used, `file` and each `as_of` may be null.")]
pub struct Prices {
    /// Only what would be used for this model, as a reply or a configuration names it; exit code 1 if it has no price.
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Only this provider; with --model, the one the model is called through.
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,
}

/// What to expand.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --json: {\"expansions\": [{\"path\", \"place\": {\"file\", \"line\", \"column\"}, \"cfg\", \"code\", \"mistakes\"}]}.\n\
`code` is empty where there are mistakes; that makes the exit code 1."
)]
pub struct Expand {
    /// Parts of paths: functions with all of them in their path, `collect` or `Architect::review`; and, with a `/` in
    /// it or `.`, the workspace: a folder inside of it, or a Cargo.toml. Default: everything, and the working folder.
    #[arg(value_name = "PART|PATH")]
    pub parts: Vec<String>,

    /// Only this package of the workspace; may be repeated.
    #[arg(short, long, value_name = "PACKAGE")]
    pub package: Vec<String>,
}

/// What to review, and how to show it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the contract did not change, or only its documentation did
  1  something was added
  2  something breaks those who read the spans
  3  the trees could not be compared

With --json: {\"base\", \"severity\", \"changes\", \"unresolved\", \"groups\": [{\"title\", \"place\", \"changes\", \"expansions\", \"trees\", \"seen_in\"}]};
an expansion or a tree is {\"subject\", \"place\", \"before\", \"after\", \"pending\", \"diff\"}.")]
pub struct Review {
    /// The workspace: a folder inside of it, or a Cargo.toml. Default: the working folder.
    pub path: Option<PathBuf>,

    /// The git revision to compare with. Default: where this branch left the default branch, else the last commit.
    #[arg(long, value_name = "REVISION")]
    pub base: Option<String>,

    /// How to show it: text for a terminal, markdown for a comment on a pull request, html as a page of its own.
    #[arg(long, value_enum, default_value_t)]
    pub format: ReviewFormat,

    /// Write it to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Only this package of the workspace; may be repeated.
    #[arg(short, long, value_name = "PACKAGE")]
    pub package: Vec<String>,
}

/// How a review is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ReviewFormat {
    /// For a terminal.
    #[default]
    Text,
    /// For a comment on a pull request.
    Markdown,
    /// A page of its own.
    Html,
}

/// Which workspace, and how to say it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --format json: {\"version\", \"spans\": [{\"id\", \"name\", \"kind\", \"span_type\", \"declared\", \"parents\", \"attributes\",\n\
\"doc\", \"cfg\", \"place\", \"functions\"}], \"unresolved\": [{\"place\", \"last_line\", \"why\"}], \"mistakes\": [{\"place\", \"message\"}]}.\n\
What is empty is left out of a span; a place is {\"file\", \"line\", \"column\"}. The same source gives the same output.\n\n\
Exit code 1 if the workspace cannot be read; a file of it that cannot is listed as unresolved.\n\n\
Exit code of --check: 0 if nothing changed but texts, 1 if something was added, 2 if something breaks those who read the\n\
spans, 3 if it cannot be checked. With --format json: {\"lock\", \"covers\", \"spans\", \"accepted\", \"severity\", \"changes\":\n\
[{\"rule\", \"severity\", \"span\", \"former\", \"part\", \"before\", \"after\", \"place\", \"sentence\"}], \"unresolved\", \"moved\"};\n\
`severity` is breaking, minor, patch or null."
)]
pub struct Catalog {
    /// A folder inside the workspace, or a Cargo.toml. Default: the working folder.
    pub path: Option<PathBuf>,

    /// List only the spans of this package; may be repeated.
    #[arg(short, long, value_name = "PACKAGE")]
    pub package: Vec<String>,

    /// How to say it. Default: text; with --json, json.
    #[arg(long, value_enum)]
    format: Option<CatalogFormat>,

    /// Compare with the lock that is checked in, and say of each change whether it breaks somebody. Default:
    /// spans.lock.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = lock::FILE)]
    pub check: Option<PathBuf>,

    /// Write the lock, spans.lock or the one of --check, and say what changed.
    #[arg(long)]
    pub accept: bool,

    /// Say what a rule of --check is, whom it breaks and what to do; without a name, list the rules.
    #[arg(long, value_name = "RULE", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["check", "accept"])]
    pub explain: Option<String>,

    /// With --format weaver: write the registry's files to this folder.
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,

    /// With --format weaver: the registry's own schema URL, which ends with its version.
    #[arg(long, value_name = "URL", default_value = weaver::UNPUBLISHED)]
    pub schema_url: String,

    /// Check every target of the workspace with cargo, in a build folder of its own, and compare the catalog with what
    /// that expands: exit code 0 if they are equal, else 1. With --json: {"equal", "same", "differences",
    /// "not_in_build", "from_unresolved"}.
    #[arg(long, conflicts_with_all = ["check", "accept", "explain", "output"])]
    pub verify: bool,

    #[command(flatten)]
    pub build: BuildFlags,
}

/// What goes to cargo in a verifying build.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "With --verify")]
pub struct BuildFlags {
    /// Features to switch on, separated by commas; may be repeated.
    #[arg(short = 'F', long, requires = "verify", value_delimiter = ',')]
    pub features: Vec<String>,

    /// Switch on all features.
    #[arg(long, requires = "verify")]
    pub all_features: bool,

    /// Switch off the default features.
    #[arg(long, requires = "verify")]
    pub no_default_features: bool,

    /// Let cargo use what is on this machine only.
    #[arg(long, requires = "verify")]
    pub offline: bool,
}

impl Catalog {
    /// How it is to be said; `json` is the flag of all commands.
    pub fn format(&self, json: bool) -> CatalogFormat {
        self.format.unwrap_or(if json { CatalogFormat::Json } else { CatalogFormat::Text })
    }

    /// The lock that is asked for.
    pub fn lock(&self) -> Option<&Path> {
        self.check.as_deref().or(self.accept.then_some(Path::new(lock::FILE)))
    }
}

/// How a catalog is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CatalogFormat {
    /// For people.
    Text,
    /// One object.
    Json,
    /// A table for a pull request; with --check or --accept.
    Markdown,
    /// A registry of OpenTelemetry Weaver.
    Weaver,
}

/// What to lint, and how to say it.
#[derive(Debug, clap::Args)]
#[command(after_help = LINT_RULES)]
pub struct Lint {
    /// A folder inside the workspace, or a Cargo.toml. Default: the working folder.
    pub path: Option<PathBuf>,

    /// Say only what is found in this package; may be repeated. The whole workspace is read all the same.
    #[arg(short, long, value_name = "PACKAGE")]
    pub package: Vec<String>,

    /// How to say it. Default: text; with --json, json.
    #[arg(long, value_enum)]
    format: Option<LintFormat>,

    /// Deny what would only be warned of.
    #[arg(long, value_name = "WHAT")]
    pub deny: Option<LintDeny>,

    /// Explain a rule instead: what it finds, an example, and what it does not see.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["path", "package", "deny"])]
    pub explain: Option<String>,
}

impl Lint {
    /// How it is to be said; `json` is the flag of all commands.
    pub fn format(&self, json: bool) -> LintFormat {
        self.format.unwrap_or(if json { LintFormat::Json } else { LintFormat::Text })
    }
}

/// How findings are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LintFormat {
    /// As a compiler does.
    Text,
    /// One object.
    Json,
    /// Annotations of a GitHub workflow.
    Github,
}

/// What is denied on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LintDeny {
    /// Everything at level warn.
    Warnings,
}

const LINT_RULES: &str = "\
Denied by default: allow-without-reason, duplicate-id, implemented-twice, unimplemented-span.
Warned of: captured-lock, guard-across-await, lost-context, secret-captured, uncovered-function, unused-allow.

Levels stand in the nearest spanwright.toml upwards from the workspace: [lints] lost-context = \"allow|warn|deny\".
A comment on the line, or above the statement or function, allows a finding: // spanwright: allow(lost-context) reason

With --format json: {\"denied\", \"warned\", \"findings\": [{\"rule\", \"level\", \"place\": {\"file\", \"line\", \"column\"}, \"width\",
\"message\", \"hint\"}], \"unresolved\", \"mistakes\"}.

Exit code 1 if anything is found at level deny.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_help_of_lint_lists_each_rule_at_its_level() {
        use spanwright_contract::lint::{Level, rules};
        let mut lines = LINT_RULES.lines();
        for level in [Level::Deny, Level::Warn] {
            let ids: Vec<_> = rules().iter().filter(|rule| rule.level == level).map(|rule| rule.id).collect();
            let line = lines.next().expect("a line for each level");
            assert!(line.ends_with(&format!(": {}.", ids.join(", "))), "{line}");
        }
    }
}
