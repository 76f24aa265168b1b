//! Dictionaries: smaller entries, found by id, and one replaced by another while both are in use.

use cachekit_codec::{CodecErrorKind, Compression, Dictionary, Meta, ValueFormat};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u32,
    display_name: String,
    permissions: Vec<String>,
}

fn user(id: u32, permission: &str) -> User {
    User {
        id,
        display_name: format!("user number {id}"),
        permissions: vec![format!("{permission}:read"), format!("{permission}:write")],
    }
}

fn trained(permission: &str) -> Dictionary {
    let samples: Vec<Vec<u8>> = (0..4_000)
        .map(|id| serde_json::to_vec(&user(id, permission)).expect("is JSON"))
        .collect();
    let bytes = zstd::dict::from_samples(&samples, 4_096).expect("enough samples");
    Dictionary::new(bytes).expect("is a dictionary")
}

fn writer(dictionary: &Dictionary) -> ValueFormat {
    let compression = Compression::default()
        .with_threshold(0)
        .with_dictionary(dictionary.clone());
    ValueFormat::json().with_compression(compression)
}

#[test]
fn a_dictionary_makes_small_values_smaller_and_they_read_back() {
    let format = writer(&trained("project"));
    let value = user(9_999, "project");
    let bytes = format.encode(&value, &Meta::default()).expect("encodes");
    let plain = serde_json::to_vec(&value).expect("is JSON");
    assert!(
        bytes.len() < plain.len() * 3 / 4,
        "{} of {}",
        bytes.len(),
        plain.len()
    );
    assert_eq!(format.decode::<User>(&bytes).expect("decodes").value, value);
}

#[test]
fn an_entry_of_an_unknown_dictionary_is_a_typed_error() {
    let bytes = writer(&trained("project")).encode(&user(1, "project"), &Meta::default());
    let bytes = bytes.expect("encodes");
    for reader in [
        ValueFormat::json(),
        ValueFormat::plain_json(),
        writer(&trained("billing")),
    ] {
        let error = reader
            .decode::<User>(&bytes)
            .expect_err("has no such dictionary");
        assert_eq!(error.kind(), CodecErrorKind::UnknownDictionary);
    }
}

#[test]
fn readers_with_both_dictionaries_read_through_a_rotation() {
    let (old, new) = (trained("project"), trained("billing"));
    assert_ne!(old.id(), new.id());
    let reader = ValueFormat::plain_json()
        .with_decoding_dictionary(old.clone())
        .with_decoding_dictionary(new.clone());
    let next_writer = writer(&new).with_decoding_dictionary(old.clone());
    for format in [writer(&old), writer(&new), ValueFormat::json()] {
        let value = user(7, "project");
        let bytes = format.encode(&value, &Meta::default()).expect("encodes");
        assert_eq!(reader.decode::<User>(&bytes).expect("decodes").value, value);
        assert_eq!(
            next_writer.decode::<User>(&bytes).expect("decodes").value,
            value
        );
    }
}

#[test]
fn a_dictionary_does_not_stick_to_the_working_memory_that_clones_share() {
    let with = writer(&trained("project"));
    let without = with
        .clone()
        .with_compression(Compression::default().with_threshold(0));
    let value = vec![user(1, "project"); 3];
    for _ in 0..3 {
        with.encode(&value, &Meta::default()).expect("encodes");
        let bytes = without.encode(&value, &Meta::default()).expect("encodes");
        assert_eq!(bytes[0], 0xC1, "is compressed");
        let read = ValueFormat::json().decode::<Vec<User>>(&bytes);
        assert_eq!(read.expect("needs no dictionary").value, value);
    }
}

#[test]
fn the_level_applies_with_a_dictionary_too() {
    let dictionary = trained("project");
    let value: Vec<User> = (0..500).map(|id| user(id * 7 % 501, "project")).collect();
    let size_at = |level| {
        let compression = Compression::default()
            .with_dictionary(dictionary.clone())
            .with_level(level);
        let format = ValueFormat::json().with_compression(compression);
        format
            .encode(&value, &Meta::default())
            .expect("encodes")
            .len()
    };
    assert!(size_at(19) < size_at(-7));
}

#[test]
fn debug_output_holds_no_part_of_a_dictionary() {
    let format = writer(&trained("hunter2"));
    assert!(!format!("{format:?}").contains("hunter2"));
}
