//! bincode that was made to do harm.

use std::collections::HashMap;

use cachekit_codec::{Codec, CodecErrorKind, Meta, ValueFormat};

use crate::recursive::{Chain, Nested, Thin};
use crate::support::{Tree, entry, refusal};

#[test]
fn bincode_that_nests_without_end_is_corrupt_and_no_stack_overflow() {
    let deep = entry(2, 0, &[], &[1; 1_000_000]);
    assert_eq!(refusal::<Chain>(&deep), CodecErrorKind::Corrupt);
    assert_eq!(refusal::<Thin>(&deep), CodecErrorKind::Corrupt);
    assert_eq!(refusal::<Tree>(&deep), CodecErrorKind::Corrupt);
    assert_eq!(refusal::<Nested>(&deep), CodecErrorKind::Corrupt);
}

/// A length prefix of `u64::MAX` in bincode.
const ENDLESS: [u8; 9] = [253, 255, 255, 255, 255, 255, 255, 255, 255];

#[test]
fn lengths_in_bincode_that_promise_more_than_there_is_are_corrupt() {
    for len in [ENDLESS, [253, 0, 0, 0, 4, 0, 0, 0, 0]] {
        let bytes = entry(2, 0, &[], &len);
        assert_eq!(refusal::<String>(&bytes), CodecErrorKind::Corrupt);
        assert_eq!(refusal::<Vec<u8>>(&bytes), CodecErrorKind::Corrupt);
        assert_eq!(refusal::<Vec<[u64; 32]>>(&bytes), CodecErrorKind::Corrupt);
        assert_eq!(
            refusal::<HashMap<String, String>>(&bytes),
            CodecErrorKind::Corrupt
        );
    }
}

#[test]
fn elements_without_bytes_cannot_be_counted_without_end() {
    let endless = entry(2, 0, &[], &ENDLESS);
    assert_eq!(refusal::<Vec<()>>(&endless), CodecErrorKind::Corrupt);
    assert_eq!(
        refusal::<HashMap<(), ()>>(&endless),
        CodecErrorKind::Corrupt
    );
    // A thousand sequences that each promise a billion share one budget.
    let many = [vec![251, 232, 3], [252, 0, 0, 0, 64].repeat(1_000)].concat();
    assert_eq!(
        refusal::<Vec<Vec<()>>>(&entry(2, 0, &[], &many)),
        CodecErrorKind::Corrupt
    );

    let format = ValueFormat::json().with_codec(Codec::Bincode);
    let bytes = format
        .encode(&vec![(); 10_000], &Meta::default())
        .expect("encodes");
    assert_eq!(
        format
            .decode::<Vec<()>>(&bytes)
            .expect("an honest number")
            .value
            .len(),
        10_000
    );
}

#[test]
fn small_numbers_in_wide_types_do_not_hit_the_limit() {
    let format = ValueFormat::json()
        .without_compression()
        .with_codec(Codec::Bincode);
    // One byte each, which bincode charges with sixteen; past the tier of 1 MiB.
    for count in [1_000_000, 1_100_000] {
        let bytes = format
            .encode(&vec![1_u128; count], &Meta::default())
            .expect("encodes");
        assert_eq!(
            format
                .decode::<Vec<u128>>(&bytes)
                .expect("decodes")
                .value
                .len(),
            count
        );
    }
}
