use futures::Stream;
use spanwright::sandbox;

#[sandbox]
fn lines(text: String) -> impl Stream<Item = String> {
    futures::stream::iter([text])
}

fn main() {
    let _ = lines(String::new());
}
