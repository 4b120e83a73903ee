//! The code that is compiled: the same functions in every variant, under another attribute.

use std::fmt::{self, Write as _};

/// What the functions are annotated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Plain,
    Spanwright,
    Tracing,
    Fastrace,
}

/// Functions in a crate: half of them async.
pub(crate) const FUNCTIONS: u32 = 600;
const MODULES: u32 = 30;

impl Variant {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Spanwright, Self::Tracing, Self::Fastrace];

    /// Each records both arguments; ours and tracing's record the outcome too, for which fastrace has no argument.
    fn attribute(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Spanwright => "#[spanwright::tool]",
            Self::Tracing => "#[tracing::instrument(ret, err)]",
            Self::Fastrace => r#"#[fastrace::trace(properties = { "home": "{home}", "entities": "{entities}" })]"#,
        }
    }

    /// Name of the generated crate.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Spanwright => "spanwright",
            Self::Tracing => "tracing",
            Self::Fastrace => "fastrace",
        }
    }

    /// The whole crate.
    pub(crate) fn source(self) -> String {
        let mut text = String::from("#![allow(dead_code)]\n");
        for module in 0..MODULES {
            self.module(&mut text, module);
        }
        text
    }

    fn module(self, text: &mut String, module: u32) {
        let attribute = self.attribute();
        let pairs = FUNCTIONS / MODULES / 2;
        let started: String =
            (0..pairs).map(|pair| format!("Box::pin(async_{pair}(home.clone(), {pair})), ")).collect();
        let _ = write!(
            text,
            r#"
pub mod part_{module} {{
    use std::future::Future;
    use std::pin::Pin;

    #[derive(Clone, Debug, serde::Serialize)]
    pub struct Report {{
        pub home: String,
        pub entities: u32,
    }}

    pub fn started(home: &String) -> Vec<Pin<Box<dyn Future<Output = Result<Report, String>> + Send>>> {{
        vec![{started}]
    }}
"#
        );
        for pair in 0..pairs {
            let _ = write!(
                text,
                r#"
    {attribute}
    pub fn sync_{pair}(home: String, entities: u32) -> Result<Report, String> {{
        if home.is_empty() {{
            return Err(format!("no home for {{entities}} entities"));
        }}
        Ok(Report {{ home, entities: entities + {pair} }})
    }}

    {attribute}
    pub async fn async_{pair}(home: String, entities: u32) -> Result<Report, String> {{
        let report = sync_{pair}(home, entities)?;
        std::future::ready(()).await;
        Ok(Report {{ entities: report.entities * 2, ..report }})
    }}
"#
            );
        }
        text.push_str("}\n");
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "no tracing",
            Self::Spanwright => "spanwright",
            Self::Tracing => "tracing `ret, err`",
            Self::Fastrace => "fastrace `properties`",
        })
    }
}
