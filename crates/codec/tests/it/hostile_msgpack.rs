//! MessagePack that was made to do harm.

use cachekit_codec::CodecErrorKind;

use crate::recursive::{Chain, Nested, Thin};
use crate::support::{Tree, entry, refusal};

#[test]
fn messagepack_that_nests_without_end_is_corrupt_and_no_stack_overflow() {
    let arrays = entry(3, 0, &[], &[0x91; 1_000_000]);
    assert_eq!(refusal::<Chain>(&arrays), CodecErrorKind::Corrupt);
    assert_eq!(refusal::<Thin>(&arrays), CodecErrorKind::Corrupt);
    assert_eq!(refusal::<Tree>(&arrays), CodecErrorKind::Corrupt);
    assert_eq!(
        refusal::<serde_json::Value>(&arrays),
        CodecErrorKind::Corrupt
    );
    let maps: Vec<u8> = [0x81, 0xA4, b'N', b'o', b'd', b'e'].repeat(100_000);
    assert_eq!(
        refusal::<Nested>(&entry(3, 0, &[], &maps)),
        CodecErrorKind::Corrupt
    );
}

#[test]
fn lengths_in_messagepack_that_promise_more_than_there_is_are_corrupt() {
    for marker in [0xDB, 0xC6, 0xDD, 0xDF] {
        let bytes = entry(3, 0, &[], &[marker, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(refusal::<String>(&bytes), CodecErrorKind::Corrupt);
        assert_eq!(refusal::<Vec<[u64; 32]>>(&bytes), CodecErrorKind::Corrupt);
        assert_eq!(
            refusal::<serde_json::Value>(&bytes),
            CodecErrorKind::Corrupt
        );
    }
}
