//! A span has one id, in the grammar of OTLP span types.

mod spans {
    spanwright::spans! {
        pub node Missing(name = "missing");
        pub node Nothing;
        pub node Space(id = "home collect");
        pub node Digit(id = "1home");
        pub node Umlaut(id = "home.größe");
        pub node Long(id = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        pub node Empty(id = "");
        pub node Bare("home.bare");
        pub node Fine(id = "Home/collect-1.a_b");
    }
}

#[spanwright::node(span = spans::Missing)]
fn missing() {}

fn main() {
    let _ = spans::CONTRACT;
}
