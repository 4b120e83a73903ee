//! `spanwright prices`: what tokens of models cost, and which row says so.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use spanwright::config::{Config, Overrides};
use spanwright_prices::{PriceTable, Row};

use crate::args::Prices;
use crate::failure::Failure;
use crate::screen::{Screen, Tone};
use crate::text::{self, Align};

/// What `--json` prints.
#[derive(Serialize)]
struct Listing<'a> {
    as_of: Option<&'a str>,
    file: Option<PathBuf>,
    prices: Vec<Line<'a>>,
}

/// One row. Its field names are kept.
#[derive(Serialize)]
struct Line<'a> {
    provider: &'a str,
    model: &'a str,
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write: f64,
    cache_write_1h: f64,
    as_of: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(row: Row<'a>) -> Self {
        let Row { provider, model, price, as_of } = row;
        Self {
            provider,
            model,
            input: price.input(),
            output: price.output(),
            cache_read: price.cache_read(),
            cache_write: price.cache_write(),
            cache_write_1h: price.cache_write_1h(),
            as_of,
        }
    }
}

/// Runs the command.
pub fn run(args: &Prices, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let (config, _) = Config::of_process(Overrides::default());
    let table = config.price_table()?;
    let prices = chosen(args, &table)?.into_iter().map(Line::of).collect();
    let listing = Listing { as_of: table.as_of(), file: config.prices.value, prices };
    match screen.json {
        true => screen.object(&listing)?,
        false => show(&listing, screen)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen<'a>(args: &Prices, table: &'a PriceTable) -> Result<Vec<Row<'a>>, Failure> {
    let provider = args.provider.as_deref();
    if let Some(model) = &args.model {
        let found = table.find(provider, model).ok_or_else(|| unpriced(provider, model))?;
        return Ok(vec![found.row]);
    }
    let Some(provider) = provider else { return Ok(table.prices().collect()) };
    let rows: Vec<_> = table.provider_prices(provider).collect();
    match rows.is_empty() {
        true => {
            let known = table.providers().collect::<Vec<_>>().join(", ");
            Err(Failure::said(format!("there is no provider `{provider}` with prices"), format!("known are {known}")))
        }
        false => Ok(rows),
    }
}

fn unpriced(provider: Option<&str>, model: &str) -> Failure {
    let of = provider.map(|provider| format!(" of `{provider}`")).unwrap_or_default();
    let owner = provider.unwrap_or("its-provider");
    Failure::said(
        format!("the model `{model}`{of} has no price: its cost is unknown"),
        format!(
            "put a row into a file named by SPANWRIGHT_PRICES: [providers.{owner}.models] and \"{model}\" = {{ input = 1.0, output = 2.0 }}"
        ),
    )
}

const HEADINGS: [&str; 8] = ["PROVIDER", "MODEL", "INPUT", "OUTPUT", "CACHE READ", "CACHE WRITE", "1 H WRITE", "AS OF"];

fn show(listing: &Listing<'_>, screen: &mut Screen) -> Result<(), Failure> {
    use Align::{Left, Right};
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(listing.prices.iter().map(row));
    let table = text::table([Left, Left, Right, Right, Right, Right, Right, Left], &rows);
    for (index, cells) in table.into_iter().enumerate() {
        let cells = if index == 0 { cells.map(|cell| screen.paint(Tone::Strong, &cell)) } else { cells };
        screen.line(cells.join("  ").trim_end())?;
    }
    let over = listing.file.as_ref().map(|file| format!(", with those of {} over them", file.display()));
    let note = format!(
        "US dollars for a million tokens; list prices of {}{}",
        listing.as_of.unwrap_or("an unknown day"),
        over.unwrap_or_default()
    );
    screen.line(screen.paint(Tone::Faint, &note))?;
    Ok(())
}

fn row(line: &Line<'_>) -> [String; 8] {
    let dollars = |price: f64| price.to_string();
    [
        text::clip(line.provider, 40).into_owned(),
        text::clip(line.model, 60).into_owned(),
        dollars(line.input),
        dollars(line.output),
        dollars(line.cache_read),
        dollars(line.cache_write),
        dollars(line.cache_write_1h),
        line.as_of.unwrap_or("-").to_owned(),
    ]
}
