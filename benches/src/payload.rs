//! The value that most rows write and read.

use serde::{Deserialize, Serialize};

/// A value whose JSON text has 256 bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payload {
    id: u64,
    name: String,
    tags: Vec<String>,
    text: String,
}

impl Payload {
    pub(crate) fn new() -> Self {
        let tags = vec!["alpha".to_owned(), "beta".to_owned(), "gamma".to_owned()];
        let mut payload = Self {
            id: 4711,
            name: "main.rs".to_owned(),
            tags,
            text: String::new(),
        };
        let missing = 256 - payload.json().len();
        payload.text = "x".repeat(missing);
        payload
    }

    /// Its JSON text.
    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
