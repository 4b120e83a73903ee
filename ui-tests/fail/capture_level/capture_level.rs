use spanwright::node;

#[node(capture = "preveiw")]
fn misspelled() {}

#[node(output = "everything")]
fn unknown() {}

#[node(capture = full)]
fn not_a_text() {}

fn main() {
    misspelled();
    unknown();
    not_a_text();
}
