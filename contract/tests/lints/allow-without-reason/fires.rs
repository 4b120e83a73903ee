use spanwright::{node, tool};

#[node]
fn start() {
    // spanwright: allow(lost-context)
    tokio::spawn(async {});
    std::thread::spawn(|| ()); // spanwright: allow(lost-context) …
}
