//! What is not built in says so, and settings that cannot work are found before the first value.

use cachekit_codec::{Codec, CodecErrorKind, Compression, Dictionary, Meta, ValueFormat};

use crate::support::{entry, refusal};

fn refused(format: &ValueFormat) -> CodecErrorKind {
    let checked = format.check().expect_err("cannot work");
    let encoded = format
        .encode(&1, &Meta::default())
        .expect_err("cannot work");
    assert_eq!(checked.kind(), encoded.kind());
    encoded.kind()
}

#[test]
fn a_codec_that_is_not_built_in_can_be_named_but_not_used() {
    for (codec, byte) in [(Codec::Bincode, 2), (Codec::MessagePack, 3)] {
        let format = ValueFormat::json().with_codec(codec);
        if codec.is_built_in() {
            assert!(format.check().is_ok());
        } else {
            assert_eq!(refused(&format), CodecErrorKind::NotBuiltIn);
            assert_eq!(
                refusal::<u32>(&entry(byte, 0, &[], &[1])),
                CodecErrorKind::NotBuiltIn
            );
        }
    }
}

#[cfg(not(feature = "zstd"))]
#[test]
fn compression_that_is_not_built_in_can_be_named_but_not_used() {
    let format = ValueFormat::json().with_compression(Compression::default());
    assert_eq!(refused(&format), CodecErrorKind::NotBuiltIn);
    assert_eq!(
        Dictionary::new(b"any").expect_err("refused").kind(),
        CodecErrorKind::NotBuiltIn
    );
    let compressed = entry(1, 1, &[0x81, 1, 1], &[0]);
    assert_eq!(refusal::<u32>(&compressed), CodecErrorKind::NotBuiltIn);
    assert!(
        ValueFormat::json()
            .encode(&"a".repeat(5_000), &Meta::default())
            .is_ok()
    );
}

#[cfg(feature = "zstd")]
#[test]
fn bytes_that_are_no_dictionary_are_refused() {
    let magic_alone = [0x37, 0xA4, 0x30, 0xEC, 1, 0, 0, 0, 9, 9, 9, 9];
    for bytes in [&b""[..], b"raw content", &magic_alone] {
        let error = Dictionary::new(bytes).expect_err("is no dictionary");
        assert_eq!(error.kind(), CodecErrorKind::Configuration);
    }
}

#[cfg(feature = "zstd")]
#[test]
fn a_level_out_of_range_is_a_mistake_of_the_program() {
    for level in [Compression::MIN_LEVEL - 1, Compression::MAX_LEVEL + 1] {
        let format = ValueFormat::json().with_compression(Compression::default().with_level(level));
        assert_eq!(refused(&format), CodecErrorKind::Configuration);
    }
}

#[test]
fn plain_json_refuses_what_needs_a_header() {
    let plain = ValueFormat::plain_json();
    assert_eq!(
        refused(&plain.clone().with_codec(Codec::Bincode)),
        CodecErrorKind::Configuration
    );
    let compressed = plain.clone().with_compression(Compression::default());
    assert_eq!(refused(&compressed), CodecErrorKind::Configuration);
    let negative = plain
        .encode_negative(&Meta::default())
        .expect_err("cannot be expressed");
    assert_eq!(negative.kind(), CodecErrorKind::Configuration);
}

#[cfg(feature = "bincode")]
#[test]
fn a_type_that_bincode_cannot_read_is_a_mistake_only_of_a_format_that_writes_bincode() {
    let bytes = entry(2, 0, &[], &[1]);
    let own = ValueFormat::json().with_codec(Codec::Bincode);
    let error = own
        .decode::<serde_json::Value>(&bytes)
        .expect_err("cannot be read");
    assert_eq!(error.kind(), CodecErrorKind::Configuration);
    assert_eq!(
        refusal::<serde_json::Value>(&bytes),
        CodecErrorKind::Corrupt
    );
}
