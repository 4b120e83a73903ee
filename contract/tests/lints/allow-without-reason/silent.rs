use spanwright::{node, tool};

/// Docs may speak of it:
/// // spanwright: allow(lost-context)
#[node]
fn start() {
    // spanwright: allow(lost-context) the log line may come late
    tokio::spawn(async {});
    std::thread::spawn(|| ()); // spanwright: allow(lost-context): nobody waits for it
    let text = "// spanwright: allow(lost-context)";
    let text = "
        // spanwright: allow(lost-context)
    ";
}

// spanwright: allow(lost-context, secret-captured) a load test with a made-up key
/// Puts load on the server.
#[tool]
async fn load(api_key: String) {
    for _ in 0..9 {
        tokio::spawn(async {});
    }
}

#[tool]
// spanwright: allow(lost-context) the same, above the name
async fn more_load() {
    tokio::spawn(async {});
}

// spanwright: this is prose about spanwright, and allows nothing
fn plain() {}
