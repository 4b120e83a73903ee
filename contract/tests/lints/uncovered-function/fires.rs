mod spans {
    spanwright::spans! {
        pub workflow Evening(id = "home.evening") {
            pub tool CloseBlinds(id = "home.close_blinds");
            pub tool DimLights(id = "home.dim_lights");
        }
    }
}

use spanwright::{tool, workflow};

mod lights {
    pub fn dim_all() {
        super::dim("hall");
    }
}
use lights::dim_all as dim_lights;

struct House;

impl House {
    #[workflow(span = spans::Evening)]
    async fn evening(&self) {
        tokio::join!(self.prepare());
        dim_lights();
    }

    async fn prepare(&self) {
        for blind in ["north", "south"] {
            Self::close(blind).await;
        }
    }

    #[tool(span = spans::CloseBlinds)]
    async fn close(blind: &str) {}
}

#[tool(span = spans::DimLights)]
fn dim(room: &str) {}
