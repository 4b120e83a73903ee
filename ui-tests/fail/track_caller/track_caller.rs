use std::panic::Location;

use spanwright::node;

#[node]
#[track_caller]
fn line() -> u32 {
    Location::caller().line()
}

fn main() {
    line();
}
