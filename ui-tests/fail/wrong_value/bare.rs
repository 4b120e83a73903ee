use spanwright::node;

#[node("collect")]
fn bare_text() {}

#[node(1)]
fn bare_number() {}

fn main() {}
