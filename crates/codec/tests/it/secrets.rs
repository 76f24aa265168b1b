//! No error tells any part of a value.

use std::error::Error;

use cachekit_codec::{CodecError, Meta, ValueFormat};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{codecs, entry};

const SECRET: &str = "hunter2";

/// Refuses to be written and read, quoting the value as careless implementations do.
#[derive(Debug)]
struct Careless;

impl Serialize for Careless {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(SECRET))
    }
}

impl<'de> Deserialize<'de> for Careless {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(D::Error::custom(format!("cannot use {text}")))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
enum Choice {
    Known,
}

fn assert_says_nothing(error: &CodecError) {
    let mut link: Option<&dyn Error> = Some(error);
    while let Some(error) = link {
        for text in [
            error.to_string(),
            format!("{error:?}"),
            format!("{error:#?}"),
        ] {
            assert!(!text.contains(SECRET), "{text}");
        }
        link = error.source();
    }
}

fn assert_decode_says_nothing<T: DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) {
    let error = ValueFormat::json()
        .decode::<T>(bytes)
        .expect_err("is refused");
    assert_says_nothing(&error);
    assert!(
        error.to_string().contains(std::any::type_name::<T>()),
        "{error}"
    );
}

#[test]
fn a_value_of_another_type_is_not_quoted() {
    for codec in codecs() {
        let format = ValueFormat::json().with_codec(codec);
        let bytes = format.encode(SECRET, &Meta::default()).expect("encodes");
        assert_decode_says_nothing::<(u64, u64, u64)>(&bytes);
        assert_decode_says_nothing::<Choice>(&bytes);
        assert_decode_says_nothing::<Careless>(&bytes);
        assert_decode_says_nothing::<char>(&bytes);
    }
}

#[test]
fn text_that_is_no_json_is_not_quoted() {
    assert_decode_says_nothing::<u32>(SECRET.as_bytes());
    assert_decode_says_nothing::<u32>(&entry(1, 0, &[], SECRET.as_bytes()));
    assert_decode_says_nothing::<Choice>(br#"{"hunter2":1}"#);
}

#[test]
fn a_value_that_refuses_to_be_written_is_not_quoted() {
    for codec in codecs() {
        let format = ValueFormat::json().with_codec(codec);
        let error = format
            .encode(&Careless, &Meta::default())
            .expect_err("is refused");
        assert_eq!(error.kind(), cachekit_codec::CodecErrorKind::Encode);
        assert_says_nothing(&error);
    }
}

#[test]
fn the_source_says_where_it_failed_and_the_text_does_not_repeat_it() {
    let error = ValueFormat::json()
        .decode::<u32>(b"\n  x")
        .expect_err("is refused");
    let source = error.source().expect("has a source").to_string();
    assert_eq!(source, "JSON syntax error at line 2 column 3");
    assert_eq!(
        error.to_string(),
        "the entry is damaged or of another type (type u32)"
    );
}

#[test]
fn a_value_that_json_cannot_express_is_told_without_a_position() {
    let value = std::collections::HashMap::from([((1_u8, 2_u8), 3_u8)]);
    let error = ValueFormat::json()
        .encode(&value, &Meta::default())
        .expect_err("a key is a tuple");
    let source = error.source().expect("has a source").to_string();
    assert_eq!(source, "json: a map key cannot be written as text");
}

#[test]
fn a_serialize_that_fails_is_told_without_a_position() {
    for codec in codecs() {
        let error = ValueFormat::json()
            .with_codec(codec)
            .encode(&Careless, &Meta::default())
            .expect_err("is refused");
        let source = error.source().expect("has a source").to_string();
        assert_eq!(
            source,
            format!("{codec}: the type's `Serialize` implementation failed")
        );
    }
}

#[test]
fn a_size_over_the_limit_is_told_with_the_limit_and_the_way_out() {
    let format = ValueFormat::json().with_max_size(3);
    let written = format
        .encode(&1234, &Meta::default())
        .expect_err("four bytes");
    assert_eq!(
        written.to_string(),
        "the encoded value is larger than the limit of 3 bytes: raise it with \
         `ValueFormat::with_max_size` (type i32)"
    );
    let read = format.decode::<u32>(b"1234").expect_err("four bytes");
    assert_eq!(
        read.to_string(),
        "the entry is larger than the limit of 3 bytes: raise it with \
         `ValueFormat::with_max_size` (type u32)"
    );
}
