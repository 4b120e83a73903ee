use spanwright::node;

#[node(crate = spanwright)]
fn relative() {}

#[node(crate = "spanwright")]
fn text() {}

fn main() {
    relative();
    text();
}
