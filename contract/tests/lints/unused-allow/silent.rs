use spanwright::node;

#[node]
fn start() {
    // spanwright: allow(lost-context) the log line may come late
    let task = {
        let name = "late";
        tokio::spawn(async { name })
    };
}
