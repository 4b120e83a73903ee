//! Something for each name, found by the name; a name is copied once, when it is new.

use std::collections::HashMap;

/// Something for each name.
#[derive(Clone, Debug)]
pub struct ByName<T> {
    places: HashMap<Box<str>, usize>,
    named: Vec<(Box<str>, T)>,
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), named: Vec::new() }
    }
}

impl<T: Default> ByName<T> {
    /// What there is for `name`; where that is new, the default.
    pub fn of(&mut self, name: &str) -> &mut T {
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                self.places.insert(name.into(), self.named.len());
                self.named.push((name.into(), T::default()));
                self.named.len() - 1
            }
        };
        &mut self.named[place].1
    }

    /// All of them, in the order they came.
    pub fn into_named(self) -> Vec<(Box<str>, T)> {
        self.named
    }
}
