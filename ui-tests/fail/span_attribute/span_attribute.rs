//! Attributes are set through the declaration: by their name, with a value of their type.

mod spans {
    spanwright::spans! {
        pub node Collect(id = "home.collect") {
            entity_count: u64,
            home.name: str,
            kinds: [str],
            extra: json,
        }
    }
}

struct Opaque;

#[spanwright::node(span = spans::Collect, attributes(entity_coun = 1, entity_count = "one", home.nam = "a", kinds = &[1]))]
fn arguments() {}

#[spanwright::node(span = spans::Collect, attributes("any text" = 1, event = "a", tag = "b"))]
fn no_names() {}

#[spanwright::node(span = spans::Collect, handle = s)]
fn body(home: String) {
    s.entity_coun(1);
    s.entity_count(home.len());
    s.home_name(home);
    s.extra(&Opaque);
    s.set("entity_count", 1);
}

fn main() {}
