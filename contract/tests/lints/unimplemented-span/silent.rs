pub mod spans {
    spanwright::spans! {
        pub workflow Evening(id = "home.evening") {
            pub node Prepare(id = "home.prepare");
            // Made by a macro, whose body cannot be followed.
            pub tool CloseBlinds(id = "home.close_blinds");
            // The function does not compile, which is another matter.
            pub tool DimLights(id = "home.dim_lights");
        }
    }
}

use spanwright::{node, tool, workflow};

#[workflow(span = spans::Evening)]
fn evening() {}

#[node(span = spans::Prepare)]
fn prepare() {}

macro_rules! closing {
    ($name:ident) => {
        #[tool(span = spans::CloseBlinds)]
        fn $name() {}
    };
}
closing!(close);

#[tool(span = spans::DimLights, nme = "x")]
fn dim() {}
