pub mod spans {
    spanwright::spans! {
        /// An evening at home.
        pub workflow Evening(id = "home.evening") {
            /// Nobody makes it.
            pub node Prepare(id = "home.prepare", name = "prepare the house");
        }
    }
}

use spanwright::workflow;

#[workflow(span = spans::Evening)]
fn evening() {}
