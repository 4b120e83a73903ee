//! `span` names a declared span.

mod spans {
    spanwright::spans! {
        pub node Collect(id = "home.collect") {
            count: u64,
        }
    }
}

struct NoSpan;

#[spanwright::node(span = NoSpan)]
fn no_span() {}

#[spanwright::node(span = "spans::Collect")]
fn text() {}

#[spanwright::node(span)]
fn bare() {}

fn main() {}
