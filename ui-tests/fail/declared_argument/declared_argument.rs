//! What a declared span takes, and what the attribute on its function takes.

mod spans {
    spanwright::spans! {
        pub node A(id = "a", nmae = "b");
        pub node B(id = "b", skip(c), capture = "full");
        pub node C(id = "c", type = "PARSER", banana = 1);
        pub node D(id = 4, name = "", span_type);
        pub node E(id = "e", name = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn");
    }
}

#[spanwright::node(parents(spans::A))]
fn parents() {}

#[spanwright::node(leaf)]
fn leaf() {}

fn main() {
    let _ = spans::CONTRACT;
}
