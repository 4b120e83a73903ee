//! The prices in force: the built-in ones, and a file of the user's own over them.

use spanwright_prices::PriceTable;

use super::Config;
use crate::error::{Error, Kind};

impl Config {
    /// The prices in force.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if [`Config::prices`] names a file that cannot be read: the message names the line.
    pub fn price_table(&self) -> Result<PriceTable, Error> {
        let Some(path) = &self.prices.value else { return Ok(PriceTable::builtin().clone()) };
        let (shown, source) = (path.display(), &self.prices.source);
        let wrong = |cause: &dyn std::fmt::Display| {
            Error::new(Kind::Config, format!("cannot use the prices in {shown}, set by {source}: {cause}"))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let own = PriceTable::from_toml(&text).map_err(|error| wrong(&error))?;
        Ok(PriceTable::builtin().overlaid(&own))
    }

    /// The same, where a file of the user's own changes them; `None` where the built-in ones hold, so that those are read by who needs them
    /// and not before. What is wrong with the file is said where the configuration is read.
    pub(crate) fn own_prices(&self) -> Option<PriceTable> {
        self.prices.value.as_ref().and_then(|_| self.price_table().ok())
    }
}
