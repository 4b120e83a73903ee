use spanwright::{llm, node, tool};

#[tool]
fn fetch(url: &str, api_key: &str) {}

#[node(capture = "full")]
fn log_in(user: &str, userPassword: Option<String>) {}

#[llm(debug(credentials))]
async fn ask(
    prompt: &str,
    credentials: Credentials,
) {
}

#[tool(skip(session), inputs(session_cookie = session.cookie()))]
fn resume(session: Session) {}
