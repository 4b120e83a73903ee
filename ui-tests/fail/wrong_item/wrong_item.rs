use spanwright::{agent, llm, node, sandbox, tool, workflow};

#[node]
struct Collect;

#[tool]
enum Either {
    Left,
}

#[llm]
impl Collect {
    fn run(&self) {}
}

#[agent]
trait Step {
    fn step(&self);
}

#[workflow]
const LIMIT: u32 = 1;

#[sandbox]
mod tools {
    pub fn run() {}
}

fn main() {
    Collect.run();
    let _ = (Either::Left, LIMIT);
    tools::run();
}
