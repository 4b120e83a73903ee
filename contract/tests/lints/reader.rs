//! One file as a program, read by what stands in it.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens as _;
use spanwright_contract::catalog::{Place, Unresolved};
use spanwright_contract::program::{Annotated, Body, Declared, Program, SourceFile};
use spanwright_macros_core::{Kind, declaration, plan};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, ItemFn, ItemImpl, ItemMacro, ItemMod, Meta, Signature};

const FILE: &str = "src/lib.rs";

pub fn program(text: &str) -> Program {
    let files = vec![SourceFile { name: FILE.into(), text: text.into() }];
    let mut reader = Reader {
        module: "sample".into(),
        owner: "sample".into(),
        cfg: Vec::new(),
        program: Program { files, ..Program::default() },
    };
    let file = syn::parse_file(text).expect("a fixture is Rust");
    reader.visit_file(&file);
    let mut program = reader.program;
    for annotated in &mut program.annotated {
        let module = annotated.path.rsplit_once("::").unwrap().0.to_owned();
        let Ok(plan) = &annotated.plan else { continue };
        let Some(path) = &plan.span else { continue };
        let path: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        annotated.span = program.declared.iter().enumerate().find_map(|(at, declared)| {
            let near = module.starts_with(&declared.module) || declared.module.starts_with(&module);
            let spans = &declared.declaration.as_ref().ok()?.spans;
            let index = spans.iter().position(|span| span.ident == path.last().unwrap())?;
            let prefix_fits = declared.module == module || near || path.len() > 1;
            prefix_fits.then_some((at, index))
        });
    }
    program
}

struct Reader {
    module: String,
    owner: String,
    cfg: Vec<String>,
    program: Program,
}

fn place(ident: &Ident) -> Place {
    let start = ident.span().start();
    Place { file: FILE.into(), line: start.line, column: start.column + 1 }
}

fn cfgs(attrs: &[Attribute]) -> Vec<String> {
    let lists = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    lists.map(|attr| attr.meta.require_list().unwrap().tokens.to_string()).collect()
}

impl Reader {
    fn function(&mut self, attrs: &[Attribute], sig: &Signature, block: &Block, item: TokenStream, associated: bool) {
        let path = format!("{}::{}", self.owner, sig.ident);
        let mut annotated = None;
        for attr in attrs {
            let Some(kind) = Kind::of_path(attr.path()) else { continue };
            let args = match &attr.meta {
                Meta::List(list) => list.tokens.clone(),
                _ => TokenStream::new(),
            };
            annotated = Some(self.program.annotated.len());
            let mut cfg = self.cfg.clone();
            cfg.extend(cfgs(attrs));
            self.program.annotated.push(Annotated {
                path: path.clone(),
                place: place(&sig.ident),
                cfg,
                kind,
                plan: plan(kind, args.clone(), item.clone()),
                args,
                item: item.clone(),
                is_associated: associated,
                span: None,
                doc: String::new(),
            });
        }
        self.program.bodies.push(Body {
            path: path.clone(),
            place: place(&sig.ident),
            module: self.module.clone(),
            annotated,
            signature: sig.clone(),
            block: block.clone(),
        });
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        let bare = ItemFn {
            attrs: item.attrs.iter().filter(|a| Kind::of_path(a.path()).is_none()).cloned().collect(),
            ..item.clone()
        };
        self.function(&item.attrs, &item.sig, &item.block, bare.to_token_stream(), false);
        let inner = format!("{}::{}", self.owner, item.sig.ident);
        let around = std::mem::replace(&mut self.owner, inner);
        visit::visit_item_fn(self, item);
        self.owner = around;
    }
    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        let bare = ImplItemFn {
            attrs: item.attrs.iter().filter(|a| Kind::of_path(a.path()).is_none()).cloned().collect(),
            ..item.clone()
        };
        self.function(&item.attrs, &item.sig, &item.block, bare.to_token_stream(), true);
    }
    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let ty = item.self_ty.to_token_stream().to_string();
        let inner = format!("{}::{}", self.owner, ty);
        let around = std::mem::replace(&mut self.owner, inner);
        visit::visit_item_impl(self, item);
        self.owner = around;
    }
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let module = format!("{}::{}", self.module, item.ident);
        let around = (
            std::mem::replace(&mut self.module, module.clone()),
            std::mem::replace(&mut self.owner, module),
            self.cfg.clone(),
        );
        self.cfg.extend(cfgs(&item.attrs));
        visit::visit_item_mod(self, item);
        (self.module, self.owner, self.cfg) = around;
    }
    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        let name = &item.mac.path.segments.last().unwrap().ident;
        if name == "spans" {
            let declaration = declaration(item.mac.tokens.clone());
            let places = declaration.iter().flat_map(|d| &d.spans).map(|span| place(&span.ident)).collect();
            self.program.declared.push(Declared {
                module: self.module.clone(),
                place: place(name),
                cfg: self.cfg.clone(),
                declaration,
                places,
            });
        } else if name == "macro_rules" {
            let last_line = item.mac.delimiter.span().close().end().line;
            self.program.unresolved.push(Unresolved { place: place(name), last_line, why: String::new() });
        }
    }
}
