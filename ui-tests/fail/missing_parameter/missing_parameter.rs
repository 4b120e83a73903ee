#![allow(unused_variables)]

use spanwright::node;

struct Service;

impl Service {
    #[node(skip(promt), redact(self), debug(_guard))]
    fn ask(&self, prompt: &str, _guard: u32) {}
}

#[node(skip(context))]
fn far_from_any(a: u32) {}

#[node(redact(left))]
fn of_a_pattern((left, right): (u32, u32)) {}

fn main() {
    Service.ask("", 1);
    far_from_any(1);
    of_a_pattern((1, 2));
}
