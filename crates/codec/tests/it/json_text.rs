//! The default form is JSON text that every program writes and reads.

use cachekit_codec::{CodecErrorKind, Meta, ValueFormat};
use serde_json::{Value, json};

use crate::support::{Sample, refusal, sample};

#[test]
fn a_small_value_without_meta_is_the_bytes_of_serde_json() {
    for format in [
        ValueFormat::json(),
        ValueFormat::plain_json(),
        ValueFormat::default(),
    ] {
        let bytes = format
            .encode(&sample(0), &Meta::default())
            .expect("encodes");
        assert_eq!(bytes, serde_json::to_vec(&sample(0)).expect("is JSON"));
    }
}

#[test]
fn plain_json_is_bare_text_at_any_size_and_under_any_meta() {
    let meta = Meta::default().with_created_at(1);
    let bytes = ValueFormat::plain_json()
        .encode(&sample(10_000), &meta)
        .expect("encodes");
    assert_eq!(bytes, serde_json::to_vec(&sample(10_000)).expect("is JSON"));
}

#[test]
fn text_of_other_programs_is_read() {
    // White space, escapes and key order as Python's `json.dumps(indent=1)` and others make them.
    let text =
        "\n{\n \"b\" : \"caf\\u00e9 \\ud83e\\udd80\",\r\n\t\"a\": [1, 2.50, -7, true, null]\n}\n";
    let decoded = ValueFormat::json()
        .decode::<Value>(text.as_bytes())
        .expect("is JSON");
    assert_eq!(
        decoded.value,
        json!({"a": [1, 2.5, -7, true, null], "b": "café 🦀"})
    );
    assert!(decoded.meta.is_empty());
}

#[test]
fn text_of_another_program_that_is_no_json_is_corrupt() {
    let foreign: [&[u8]; 8] = [
        b"",
        b" ",
        b"hello",
        b"'a'",
        b"\x80\x04K\x01.",
        b"\xEF\xBB\xBF1",
        b"\"\xFF\"",
        b"{\"a\":1",
    ];
    for bytes in foreign {
        assert_eq!(
            refusal::<Value>(bytes),
            CodecErrorKind::Corrupt,
            "{bytes:?}"
        );
    }
}

#[test]
fn a_second_value_after_the_first_is_corrupt() {
    assert_eq!(refusal::<u32>(b"1 2"), CodecErrorKind::Corrupt);
    assert_eq!(refusal::<Sample>(b"{}"), CodecErrorKind::Corrupt);
}

#[test]
fn nesting_beyond_serde_jsons_limit_is_corrupt_and_no_crash() {
    let deep = "[".repeat(100_000);
    assert_eq!(refusal::<Value>(deep.as_bytes()), CodecErrorKind::Corrupt);
}

#[test]
fn text_over_the_size_limit_is_too_large() {
    let format = ValueFormat::json().with_max_size(3);
    assert_eq!(format.decode::<u32>(b"123").expect("fits").value, 123);
    let error = format
        .decode::<u32>(b"1234")
        .expect_err("one byte too many");
    assert_eq!(error.kind(), CodecErrorKind::TooLarge);
}
