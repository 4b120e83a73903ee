use spanwright::node;

#[node]
fn start() {
    // spanwright: allow(lost-contxt) the log line may come late
    tokio::spawn(async {});
    // spanwright: allow(lost-context) it has been repaired since
    spanwright::spawn(async {});
    // spanwright: allow(captured-lock, lost-context) one of them is too many
    std::thread::spawn(|| ());
    // spanwright: alow(lost-context) the word is wrong
    std::thread::spawn(|| ());
}
// spanwright: allow(lost-context) nothing comes after it
