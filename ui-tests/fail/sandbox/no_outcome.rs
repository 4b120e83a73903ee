use spanwright::sandbox;

struct Output {
    code: i32,
}

#[sandbox]
fn plain(code: i32) -> Output {
    Output { code }
}

#[sandbox]
async fn in_a_result(code: i32) -> Result<Output, String> {
    Ok(Output { code })
}

#[sandbox]
fn nothing() {}

fn main() {
    let _ = plain(1).code;
}
