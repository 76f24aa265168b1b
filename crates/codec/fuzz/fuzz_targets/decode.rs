//! Decodes arbitrary bytes. Whatever they are, the answer is a value within the limits or a typed
//! error; and a value that was read can be written and read again.
//!
//! Run in `crates/codec` with `cargo +nightly fuzz run decode`.
#![no_main]

use std::collections::BTreeMap;

use cachekit_codec::{Codec, CodecErrorKind, Entry, ValueFormat, peek_meta};
use libfuzzer_sys::fuzz_target;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const LIMIT: usize = 1 << 20;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    name: String,
    blob: Vec<u8>,
    number: i128,
    next: Option<Box<Record>>,
    choices: Vec<Choice>,
    map: BTreeMap<u16, String>,
    units: Vec<()>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Choice {
    Unit,
    Newtype(Box<Choice>),
    Pair(bool, char),
    Fields { text: String },
}

impl Record {
    /// The bytes of text and blobs, which are never more than what the entry held.
    fn weight(&self) -> usize {
        let next = self.next.as_deref().map_or(0, Self::weight);
        let map: usize = self.map.values().map(String::len).sum();
        self.name.len() + self.blob.len() + map + next
    }
}

fn read<T: DeserializeOwned>(format: &ValueFormat, bytes: &[u8]) -> Option<T> {
    match format.decode_entry::<T>(bytes) {
        Ok(Entry::Value(decoded)) => {
            assert_eq!(peek_meta(bytes).expect("the header was read"), decoded.meta);
            Some(decoded.value)
        }
        Ok(Entry::Negative(meta)) => {
            assert!(meta.negative);
            None
        }
        Err(error) => {
            let kind = error.kind();
            assert!(!matches!(
                kind,
                CodecErrorKind::Encode | CodecErrorKind::Configuration
            ));
            None
        }
    }
}

fn round_trip(record: &Record) {
    for codec in [Codec::Json, Codec::Bincode, Codec::MessagePack] {
        let format = ValueFormat::json().with_codec(codec);
        let bytes = format
            .encode(record, &Default::default())
            .expect("what was read can be written");
        // What one codec nests may be deeper than another reads, so an error is allowed; another
        // value is not.
        if let Ok(decoded) = format.decode::<Record>(&bytes) {
            assert_eq!(&decoded.value, record);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let format = ValueFormat::json().with_max_size(LIMIT);
    if let Some(value) = read::<Value>(&format, bytes) {
        let text = ValueFormat::plain_json().encode(&value, &Default::default());
        let again = ValueFormat::plain_json().decode::<Value>(&text.expect("is JSON"));
        assert!(again.is_ok());
    }
    if let Some(record) = read::<Record>(&format, bytes) {
        assert!(record.weight() <= LIMIT);
        assert!(record.units.len() <= LIMIT + 64 * 1024);
        round_trip(&record);
    }
});
