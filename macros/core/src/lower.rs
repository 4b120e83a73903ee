//! Arguments and signature become a [`Plan`]. Nothing can be wrong any more: the rules of `check` have passed.

use proc_macro2::Span;
use syn::{Expr, FnArg, Ident, LitStr, Pat, PatIdent, PatType};

use crate::args::{Arg, Args, Common, Delegate, Llm, Pairs, Run, Sandbox, Scheduled, Workflow};
use crate::check::{Input, captures_inputs, names};
use crate::item::{Item, Parameter, plain};
use crate::model::{Arguments, Callsite, Captured, Fact, FactName, FactValue, Mention, Plan, Rebind, View};
use crate::private::Private;

/// The plan of a checked function.
pub(crate) fn plan(input: Input) -> Plan {
    let Input { kind, args, mut item, shape } = input;
    let captured = captured(args.common(), &item);
    let facts = facts(&args, &captured);
    let workflow = workflow_tag(&args, &item);
    let return_span = item.return_span();
    let arguments = arguments(&mut item);
    let common = args.common();
    let values = if captures_inputs(common) { captured } else { Vec::new() };
    let text = |argument: &Option<Arg<LitStr>>| argument.as_ref().map(|text| text.value.value());
    let capture = common.capture.as_ref().map(|level| level.value);
    let callsite = Callsite {
        function: plain(&item.sig.ident),
        name: match common.span {
            Some(_) => None,
            None => text(&common.name).or_else(|| kind.display_name().map(str::to_owned)),
        },
        span_type: text(&common.span_type),
        workflow,
        values,
        inputs: capture,
        output: common.output.as_ref().map(|level| level.value).or(capture),
    };
    Plan {
        kind,
        span: common.span.as_ref().map(|span| span.value.clone()),
        callsite,
        skipped: names(&common.skip).to_vec(),
        facts,
        arguments,
        handle: common.handle.as_ref().map(|handle| handle.value.clone()),
        shape,
        expected: common.expected.as_ref().map_or_else(Vec::new, |paths| paths.value.0.clone()),
        return_span,
        private: Private::new(common.facade.as_ref().map(|facade| &facade.value.0)),
        item,
    }
}

fn captured(common: &Common, item: &Item) -> Vec<Captured> {
    item.parameters()
        .filter_map(|parameter| match parameter {
            Parameter::Named { ident, .. } => Some((ident.clone(), parameter.cfg())),
            _ => None,
        })
        .filter(|(ident, _)| !plain(ident).starts_with('_') && !names(&common.skip).contains(ident))
        .map(|(mut ident, cfg)| {
            let shown = names(&common.debug).iter().find(|shown| **shown == ident);
            let view = match shown {
                Some(shown) => {
                    // A type without `Debug` is to be reported where `Debug` was asked for.
                    ident.set_span(ident.span().located_at(shown.span()));
                    View::Debug
                }
                None if names(&common.redact).contains(&ident) => View::Redacted,
                None => View::Value,
            };
            Captured { name: plain(&ident), ident, view, cfg }
        })
        .collect()
}

/// `kind = "…"`, else the function's name without `_workflow`; schedules share one name, so that a board can hold them all.
fn workflow_tag(args: &Args, item: &Item) -> Option<String> {
    let (workflow, default) = match args {
        Args::Workflow(workflow) => {
            let name = plain(&item.sig.ident);
            let short = name.strip_suffix("_workflow").filter(|short| !short.is_empty()).map(str::to_owned);
            (workflow, short.unwrap_or(name))
        }
        Args::Scheduled(scheduled) => (&scheduled.workflow, "scheduled_analysis".to_owned()),
        _ => return None,
    };
    Some(workflow.kind.as_ref().map_or(default, |kind| kind.value.value()))
}

fn facts(args: &Args, captured: &[Captured]) -> Vec<Fact> {
    let mut facts = Facts(Vec::new());
    match args {
        Args::Workflow(workflow) => facts.workflow(workflow),
        Args::Scheduled(Scheduled { workflow, trigger, id }) => {
            facts.workflow(workflow);
            facts.one(FactName::Trigger, trigger);
            facts.one(FactName::Schedule, id);
        }
        Args::Sandbox(Sandbox { policy, .. }) => facts.one(FactName::Policy, policy),
        Args::Delegate(Delegate { common, from, to, content }) => {
            facts.one(FactName::From, from);
            facts.one(FactName::To, to);
            facts.one(FactName::Content, content);
            // A parameter under a condition may not be there, and the next one would be another text.
            let first = captured.first().filter(|first| first.cfg.is_empty() && captures_inputs(common));
            if let (None, Some(first)) = (content, first) {
                facts.0.push(Fact { name: FactName::Content, value: Some(FactValue::Parameter(first.clone())) });
            }
        }
        Args::Llm(Llm { model, provider, tools, .. }) => {
            facts.one(FactName::Model, model);
            facts.one(FactName::Provider, provider);
            facts.one(FactName::Tools, tools);
        }
        Args::Plain(_) => {}
    }
    let Common { inputs, attributes, .. } = args.common();
    facts.each(FactName::Input, inputs);
    facts.each(FactName::Attribute, attributes);
    facts.0
}

struct Facts(Vec<Fact>);

impl Facts {
    fn workflow(&mut self, workflow: &Workflow) {
        let Workflow { tags, session, user, experiment, run, params, config, budget_usd, budget_tokens, .. } = workflow;
        self.each(FactName::Tag, tags);
        self.one(FactName::Session, session);
        self.one(FactName::User, user);
        self.one(FactName::Experiment, experiment);
        match run.as_ref().map(|run| &run.value) {
            Some(Run(None)) => self.0.push(Fact { name: FactName::Run, value: None }),
            Some(Run(Some(name))) => self.push(FactName::RunNamed, name),
            None => {}
        }
        self.each(FactName::Param, params);
        self.one(FactName::Config, config);
        self.one(FactName::BudgetUsd, budget_usd);
        self.one(FactName::BudgetTokens, budget_tokens);
    }

    fn one(&mut self, name: FactName, argument: &Option<Arg<Expr>>) {
        if let Some(argument) = argument {
            self.push(name, &argument.value);
        }
    }

    fn each(&mut self, name: fn(LitStr) -> FactName, pairs: &Option<Arg<Pairs>>) {
        for pair in pairs.iter().flat_map(|pairs| &pairs.value.0) {
            self.push(name(pair.key.clone()), &pair.value);
        }
    }

    fn push(&mut self, name: FactName, value: &Expr) {
        self.0.push(Fact { name, value: Some(FactValue::Written(value.clone())) });
    }
}

/// Decides how the arguments reach the body, and gives `_` and patterns a name in the signature where that needs one.
fn arguments(item: &mut Item) -> Arguments {
    let apart =
        item.parameters().any(|parameter| matches!(parameter, Parameter::Destructured(_)) && parameter.is_owned());
    let mut mentions = Vec::new();
    let mut rebinds = Vec::new();
    for (index, argument) in item.sig.inputs.iter_mut().enumerate() {
        let parameter = Parameter::of(argument);
        if !parameter.is_owned() {
            continue;
        }
        let cfg = parameter.cfg();
        let (ident, mutable) = match argument {
            FnArg::Receiver(receiver) => {
                mentions.push(Mention { ident: Ident::new("self", receiver.self_token.span), cfg });
                continue;
            }
            FnArg::Typed(typed) => {
                (name(index, typed), matches!(&*typed.pat, Pat::Ident(name) if name.mutability.is_some()))
            }
        };
        if apart {
            let FnArg::Typed(typed) = argument else { continue };
            let written = std::mem::replace(&mut *typed.pat, named(&ident));
            let pattern = match written {
                Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => None,
                Pat::Wild(_) => None,
                pattern => Some(pattern),
            };
            rebinds.push(Rebind { ident, mutable, pattern, cfg });
        } else {
            if let FnArg::Typed(PatType { pat, .. }) = argument
                && matches!(**pat, Pat::Wild(_))
            {
                **pat = named(&ident);
            }
            mentions.push(Mention { ident, cfg });
        }
    }
    mentions.reverse();
    Arguments { mentions, rebinds }
}

fn name(index: usize, typed: &PatType) -> Ident {
    match &*typed.pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => name.ident.clone(),
        _ => Ident::new(&format!("arg{index}"), Span::mixed_site()),
    }
}

fn named(ident: &Ident) -> Pat {
    Pat::Ident(PatIdent { attrs: Vec::new(), by_ref: None, mutability: None, ident: ident.clone(), subpat: None })
}
