use spanwright::node;

#[node(nmae = "collect", type = "CHAIN", handle = span, crate = ::spanwright)]
fn collect(rows: &[u32]) -> usize {
    span.set("rows", rows.len());
    rows.len()
}

fn main() {
    collect(&[1]);
}
