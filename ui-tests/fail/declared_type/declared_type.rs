//! The types an attribute may have. A setter of unknown type takes anything.

mod spans {
    spanwright::spans! {
        pub node Collect(id = "home.collect") {
            a: string,
            b: int,
            c: float,
            d: Option<u64>,
            e: Vec<String>,
            f: &str,
            g: [u64; 2],
            h: u6,
            i: HashMap<String, u64>,
            j: std::time::Duration,
            k: [json],
            l: [[u64]],
            m: u128,
            n: Banana,
            o: (u64, u64),
            p: &[string],
            q,
            r: Strng,
            fine: [u64],
        }
    }
}

#[spanwright::node(span = spans::Collect, handle = s, attributes(b = &1))]
fn collect() {
    s.a("a").n(&Some(1)).fine(&[1]);
}

fn main() {}
