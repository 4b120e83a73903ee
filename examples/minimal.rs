//! The smallest traced agent. Run it, then `spanwright tree --last`.
use spanwright::{tool, workflow};

#[workflow]
fn packing_workflow(city: &str) -> Vec<&'static str> {
    match temperature(city) {
        ..10 => vec!["coat", "gloves"],
        10..20 => vec!["jacket"],
        _ => vec!["sunglasses"],
    }
}

#[tool]
fn temperature(city: &str) -> i32 {
    if city == "Oslo" { -3 } else { 24 }
}

#[allow(clippy::print_stdout, reason = "a program that talks to people")]
fn main() {
    let _guard = spanwright::init();
    println!("{:?}", packing_workflow("Oslo"));
}
