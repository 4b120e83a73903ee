spanwright::spans! {
    pub node Plan(id = "home.plan");
    pub tool Mail(id = "home.mail");
    pub tool Blink(id = "home.blink");
}

#[spanwright::node(span = Plan)]
fn plan() {}

#[cfg(feature = "mail")]
mod mailing {
    #[spanwright::tool(span = super::Mail)]
    pub fn mail() {}
}

#[cfg(not(feature = "mail"))]
#[spanwright::tool(span = Mail)]
fn no_mail() {}

struct Lamp;
struct Bulb;

trait Blinking {
    fn blink(&self);
}

impl Blinking for Lamp {
    #[spanwright::tool(span = Blink)]
    fn blink(&self) {}
}

impl Blinking for Bulb {
    // spanwright: allow(implemented-twice) which light it is stands in the attributes
    #[spanwright::tool(span = Blink)]
    fn blink(&self) {}
}
