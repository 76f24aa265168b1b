//! What may change in a type while entries of the old one are still stored, as [`Codec`] documents
//! it.

use cachekit_codec::{Codec, Meta, ValueFormat};
use serde::{Deserialize, Serialize};

use crate::support::codecs;

#[derive(Serialize)]
struct Before {
    dropped: u8,
    first: u16,
    second: u16,
}

#[derive(Debug, PartialEq, Deserialize)]
struct After {
    second: u16,
    first: u16,
    #[serde(default)]
    added: Option<u8>,
}

fn written_before(codec: Codec) -> (ValueFormat, bytes::Bytes) {
    let format = ValueFormat::json().with_codec(codec);
    let before = Before {
        dropped: 9,
        first: 1,
        second: 2,
    };
    let bytes = format.encode(&before, &Meta::default()).expect("encodes");
    (format, bytes)
}

#[test]
fn codecs_with_field_names_read_reordered_added_and_dropped_fields() {
    for codec in codecs().filter(|codec| *codec != Codec::Bincode) {
        let (format, bytes) = written_before(codec);
        let after = format.decode::<After>(&bytes).expect("decodes").value;
        assert_eq!(
            after,
            After {
                second: 2,
                first: 1,
                added: None
            }
        );
    }
}

#[cfg(feature = "bincode")]
#[test]
fn bincode_misreads_reordered_fields_and_refuses_added_ones() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Reordered {
        second: u16,
        dropped: u8,
        first: u16,
    }
    let (format, bytes) = written_before(Codec::Bincode);
    let misread = format
        .decode::<Reordered>(&bytes)
        .expect("is taken for another value")
        .value;
    assert_eq!(
        misread,
        Reordered {
            second: 9,
            dropped: 1,
            first: 2
        }
    );

    let refused = format
        .decode::<(u8, u16, u16, u8)>(&bytes)
        .expect_err("is too short");
    assert_eq!(refused.kind(), cachekit_codec::CodecErrorKind::Corrupt);
}

#[cfg(feature = "bincode")]
#[test]
fn skip_serializing_if_corrupts_bincode() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Skipping {
        #[serde(skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
        b: u8,
    }
    let format = ValueFormat::json().with_codec(Codec::Bincode);
    let bytes = format
        .encode(&Skipping { a: None, b: 1 }, &Meta::default())
        .expect("encodes");
    let error = format
        .decode::<Skipping>(&bytes)
        .expect_err("a byte is missing");
    assert_eq!(error.kind(), cachekit_codec::CodecErrorKind::Corrupt);
}
