//! The header's bytes, which other versions and programs depend on.

use std::time::Duration;

use cachekit_codec::{CodecErrorKind, Entry, Meta, ValueFormat, peek_meta};

use crate::support::{entry, refusal};

fn full_meta() -> Meta {
    Meta::default()
        .with_fresh_until(0x018B_CFE5_6860)
        .with_created_at(256)
        .with_load_time(Duration::from_micros(255))
}

#[test]
fn the_bytes_of_an_entry_with_meta_are_these() {
    let bytes = ValueFormat::json()
        .encode("v", &full_meta())
        .expect("encodes");
    assert_eq!(
        bytes[..],
        [
            &[0xC1, 0x6B, 1, 1, 0, 15, 0][..],
            &[0x02, 6, 0x60, 0x68, 0xE5, 0xCF, 0x8B, 0x01],
            &[0x03, 2, 0, 1],
            &[0x04, 1, 255],
            b"\"v\"",
        ]
        .concat()
    );
}

#[test]
fn the_bytes_of_a_negative_entry_are_these() {
    let bytes = ValueFormat::json()
        .encode_negative(&Meta::default())
        .expect("encodes");
    assert_eq!(bytes[..], [0xC1, 0x6B, 1, 0, 0, 2, 0, 0x85, 0]);
}

#[cfg(feature = "bincode")]
#[test]
fn the_bytes_of_a_bincode_entry_are_these() {
    let format = ValueFormat::json().with_codec(cachekit_codec::Codec::Bincode);
    let bytes = format
        .encode(&(1_u64, "ab", Some(-1_i32)), &Meta::default())
        .expect("encodes");
    assert_eq!(bytes[..], entry(2, 0, &[], &[1, 2, b'a', b'b', 1, 1]));
}

#[cfg(feature = "msgpack")]
#[test]
fn the_bytes_of_a_messagepack_entry_are_these() {
    #[derive(serde::Serialize)]
    struct Named {
        a: u8,
    }
    let format = ValueFormat::json().with_codec(cachekit_codec::Codec::MessagePack);
    let bytes = format
        .encode(&Named { a: 1 }, &Meta::default())
        .expect("encodes");
    assert_eq!(bytes[..], entry(3, 0, &[], &[0x81, 0xA1, b'a', 1]));
}

#[cfg(feature = "zstd")]
#[test]
fn a_compressed_entry_of_an_earlier_build_is_read() {
    // `"aaa…"` of 2 002 bytes: libzstd's output may change, what it once wrote must stay readable.
    let frame = [
        0x28, 0xB5, 0x2F, 0xFD, 0x60, 0xD2, 0x06, 0x55, 0x00, 0x00, 0x18, 0x22, 0x61, 0x22, 0x01,
        0x00, 0xCC, 0xFF, 0x00, 0x0B,
    ];
    let bytes = entry(1, 1, &[0x81, 2, 0xD2, 0x07], &frame);
    let decoded = ValueFormat::json()
        .decode::<String>(&bytes)
        .expect("decodes");
    assert_eq!(decoded.value, "a".repeat(2_000));
}

#[test]
fn an_unknown_optional_field_is_skipped() {
    let fields = [0x7E, 3, 9, 9, 9, 0x03, 1, 7, 0x10, 0];
    let bytes = entry(1, 0, &fields, b"5");
    let decoded = ValueFormat::json().decode::<u32>(&bytes).expect("decodes");
    assert_eq!(
        (decoded.value, decoded.meta),
        (5, Meta::default().with_created_at(7))
    );
}

#[test]
fn fields_are_read_in_any_order_and_in_longer_than_shortest_form() {
    let fields = [0x04, 1, 3, 0x03, 8, 2, 0, 0, 0, 0, 0, 0, 0, 0x02, 2, 1, 0];
    let meta = peek_meta(&entry(1, 0, &fields, b"5")).expect("is a header");
    let expected = Meta::default()
        .with_fresh_until(1)
        .with_created_at(2)
        .with_load_time(Duration::from_micros(3));
    assert_eq!(meta, expected);
}

#[test]
fn what_a_newer_version_wrote_is_newer_and_not_corrupt() {
    let newer_version = [0xC1, 0x6B, 2];
    assert_eq!(refusal::<u32>(&newer_version), CodecErrorKind::Newer);
    assert_eq!(
        peek_meta(&newer_version).expect_err("is newer").kind(),
        CodecErrorKind::Newer
    );
    let unknown_critical_field = entry(1, 0, &[0xFE, 0], b"5");
    assert_eq!(
        refusal::<u32>(&unknown_critical_field),
        CodecErrorKind::Newer
    );
    let unknown_codec = entry(99, 0, &[], b"5");
    assert_eq!(refusal::<u32>(&unknown_codec), CodecErrorKind::Newer);
    let unknown_compression = entry(1, 99, &[], b"5");
    assert_eq!(refusal::<u32>(&unknown_compression), CodecErrorKind::Newer);
}

#[test]
fn a_damaged_header_is_corrupt() {
    let damaged = [
        ("wrong second byte", vec![0xC1, 0x6C, 1, 1, 0, 0, 0, b'5']),
        ("version zero", vec![0xC1, 0x6B, 0, 1, 0, 0, 0, b'5']),
        (
            "fields longer than the entry",
            vec![0xC1, 0x6B, 1, 1, 0, 2, 0, b'5'],
        ),
        (
            "field longer than the fields",
            entry(1, 0, &[0x02, 2, 1], b"5"),
        ),
        ("half a field", entry(1, 0, &[0x02], b"5")),
        ("number without bytes", entry(1, 0, &[0x02, 0], b"5")),
        (
            "number of nine bytes",
            entry(1, 0, &[0x02, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1], b"5"),
        ),
        ("field twice", entry(1, 0, &[0x02, 1, 1, 0x02, 1, 1], b"5")),
        ("negative with a codec", entry(1, 0, &[0x85, 0], b"")),
        ("negative with a body", entry(0, 0, &[0x85, 0], b"5")),
        ("negative with a value", entry(0, 0, &[0x85, 1, 1], b"")),
        ("no codec and not negative", entry(0, 0, &[], b"")),
        ("compressed without a length", entry(1, 1, &[], b"5")),
        (
            "a length without compression",
            entry(1, 0, &[0x81, 1, 1], b"5"),
        ),
        ("no body", entry(1, 0, &[], b"")),
    ];
    for (what, bytes) in damaged {
        assert_eq!(refusal::<u32>(&bytes), CodecErrorKind::Corrupt, "{what}");
    }
}

#[test]
fn a_header_needs_no_body_to_be_peeked_at() {
    let bytes = ValueFormat::json()
        .encode("value", &full_meta())
        .expect("encodes");
    let header_len = bytes.len() - br#""value""#.len();
    assert_eq!(
        peek_meta(&bytes[..header_len]).expect("is whole"),
        full_meta()
    );
    assert!(peek_meta(&bytes[..header_len - 1]).is_err());
}

#[test]
fn json_null_is_a_value_and_not_negative() {
    let entry = ValueFormat::json()
        .decode_entry::<Option<u32>>(b"null")
        .expect("decodes");
    assert!(matches!(entry, Entry::Value(decoded) if decoded.value.is_none()));
}
