use spanwright::node;

#[node(name = )]
fn nothing_after_equals() {}

#[node(name "a")]
fn no_equals() {}

fn main() {
    nothing_after_equals();
    no_equals();
}
