//! Whatever the bytes, decoding answers.

use std::collections::BTreeMap;

use cachekit_codec::{CodecErrorKind, Meta, ValueFormat, peek_meta};
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::Value;

use crate::support::{Sample, entry, formats, metas, sample};

const LIMIT: usize = 64 * 1024;

/// Decodes as several types; panics, hangs and unbounded memory are what it looks for.
fn decode_all(bytes: &[u8]) {
    let format = ValueFormat::json().with_max_size(LIMIT);
    let results = [
        format.decode_entry::<Value>(bytes).map(drop),
        format.decode_entry::<Sample>(bytes).map(drop),
        format.decode_entry::<String>(bytes).map(|entry| {
            if let cachekit_codec::Entry::Value(decoded) = entry {
                assert!(decoded.value.len() <= LIMIT);
            }
        }),
        format.decode_entry::<Vec<()>>(bytes).map(drop),
        format
            .decode_entry::<BTreeMap<String, Option<u8>>>(bytes)
            .map(drop),
        peek_meta(bytes).map(drop),
    ];
    for error in results.into_iter().filter_map(Result::err) {
        // What bytes from outside did is never blamed on the program.
        assert!(!matches!(
            error.kind(),
            CodecErrorKind::Configuration | CodecErrorKind::Encode
        ));
    }
}

/// A header that is often well-formed, so that the body's decoders are reached.
fn header_and_body() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop_oneof![
        Just(Vec::new()),
        any::<u16>().prop_map(|len| [&[0x81, 2][..], &len.to_le_bytes()].concat()),
        vec(any::<u8>(), 0..40),
    ];
    let body = prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(0_u8..4, 0..300),
        vec(any::<u8>(), 0..60).prop_map(|tail| [&[0x28, 0xB5, 0x2F, 0xFD][..], &tail].concat()),
    ];
    (0_u8..5, 0_u8..3, fields, body)
        .prop_map(|(codec, compression, fields, body)| entry(codec, compression, &fields, &body))
}

fn meta() -> impl Strategy<Value = Meta> {
    (
        any::<Option<u64>>(),
        any::<Option<u64>>(),
        any::<Option<u64>>(),
    )
        .prop_map(|(fresh_until, created_at, micros)| {
            let mut meta = Meta::default();
            meta.fresh_until = fresh_until;
            meta.created_at = created_at;
            meta.load_time = micros.map(std::time::Duration::from_micros);
            meta
        })
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..600)) {
        decode_all(&bytes);
    }

    #[test]
    fn random_bytes_behind_a_header_never_panic(bytes in header_and_body()) {
        decode_all(&bytes);
    }

    #[test]
    fn damaged_entries_never_panic(
        at in any::<usize>(),
        bit in 0_u8..8,
        cut in any::<Option<usize>>(),
        which in any::<usize>(),
        text_len in 0_usize..3_000,
    ) {
        let formats = formats();
        let format = &formats[which % formats.len()];
        let mut bytes = format.encode(&sample(text_len), &metas()[2]).expect("encodes").to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut % bytes.len()));
        decode_all(&bytes);
    }

    #[test]
    fn values_and_metas_round_trip(
        value in btree_map(".{0,20}", vec(any::<Option<i64>>(), 0..50), 0..30),
        meta in meta(),
    ) {
        for format in formats() {
            let bytes = format.encode(&value, &meta).expect("encodes");
            let decoded = format.decode::<BTreeMap<String, Vec<Option<i64>>>>(&bytes).expect("decodes");
            prop_assert_eq!(&decoded.value, &value);
            prop_assert_eq!(decoded.meta, meta);
            prop_assert!(peek_meta(&bytes).expect("has a header or none") == meta);
        }
    }
}
