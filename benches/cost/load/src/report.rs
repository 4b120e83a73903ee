//! The value that a traced function takes in and gives back.

use serde::Serialize;

/// What a step of a home agent works on.
#[derive(Debug, Serialize)]
pub struct Report {
    home: String,
    user: String,
    entities: Vec<u32>,
    temperature: f64,
    is_occupied: bool,
    rooms: Vec<Room>,
    advice: String,
}

#[derive(Debug, Serialize)]
struct Room {
    name: String,
    lights: u8,
}

impl Report {
    /// 289 bytes as JSON.
    pub fn sample() -> Self {
        let room = |name: &str, lights| Room { name: name.to_owned(), lights };
        Self {
            home: "Lindenstrasse 12, 10969 Berlin".to_owned(),
            user: "resident-4711".to_owned(),
            entities: vec![101, 102, 103, 207],
            temperature: 21.5,
            is_occupied: true,
            rooms: vec![room("living room", 4), room("kitchen", 2)],
            advice: "Lower the heating in the living room by one degree after ten in the evening and close the blinds."
                .to_owned(),
        }
    }
}
