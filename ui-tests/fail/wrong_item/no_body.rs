use spanwright::node;

trait Step {
    #[node]
    fn step(&self, n: u32) -> u32;
}

struct One;

impl Step for One {
    fn step(&self, n: u32) -> u32 {
        n
    }
}

fn main() {
    One.step(1);
}
