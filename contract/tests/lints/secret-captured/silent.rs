use spanwright::{Secret, llm, node, tool};

#[tool(redact(api_key), skip(password))]
fn fetch(url: &str, api_key: &str, password: &str) {}

// Numbers and booleans are no secrets, and neither is what only speaks of one.
#[llm]
fn ask(max_tokens: u32, token: Option<u64>, has_password: &bool, token_count: &str, next_page_token: &str) {}

#[tool]
fn open(api_key: &Secret<String>, _password: &str) {}

// Of a node, names and keys travel.
#[node]
fn plan(credentials: &Credentials) {}

#[tool(capture = "none")]
fn close(password: &str) {}

#[tool]
fn check(
    // spanwright: allow(secret-captured) a test key, printed on the box
    api_key: &str,
) {
}

fn plain(api_key: &str) {}
