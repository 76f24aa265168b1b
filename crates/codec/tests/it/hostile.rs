//! Entries that were damaged, and how deep an honest one may nest.

use cachekit_codec::{Codec, CodecErrorKind, Meta, ValueFormat};

use crate::support::{Sample, Tree, codecs, formats, metas, refusal, sample};

#[test]
fn an_entry_cut_anywhere_is_a_typed_error() {
    for format in formats() {
        let bytes = format.encode(&sample(2_000), &metas()[2]).expect("encodes");
        for len in 0..bytes.len() {
            let error = format.decode::<Sample>(&bytes[..len]).expect_err("is cut");
            assert_eq!(
                error.kind(),
                CodecErrorKind::Corrupt,
                "cut to {len} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn an_entry_with_bytes_after_it_is_corrupt() {
    for format in formats() {
        let bytes = format.encode(&sample(2_000), &metas()[2]).expect("encodes");
        for tail in [&b"x"[..], b"\0", b"1", &bytes] {
            let longer = [&bytes, tail].concat();
            assert_eq!(refusal::<Sample>(&longer), CodecErrorKind::Corrupt);
        }
    }
}

#[test]
fn nesting_is_read_to_the_documented_depth_and_refused_beyond() {
    for codec in codecs() {
        let format = ValueFormat::json().with_codec(codec);
        let limit = if codec == Codec::Bincode { 256 } else { 127 };
        for (depth, readable) in [(limit, true), (limit + 1, false)] {
            let tree = (1..depth).fold(Tree(Vec::new()), |tree, _| Tree(vec![tree]));
            let bytes = format.encode(&tree, &Meta::default()).expect("encodes");
            match format.decode::<Tree>(&bytes) {
                Ok(decoded) => assert!(readable && decoded.value == tree, "{codec} at {depth}"),
                Err(error) => {
                    assert_eq!(
                        (readable, error.kind()),
                        (false, CodecErrorKind::Corrupt),
                        "{codec} at {depth}"
                    );
                }
            }
        }
    }
}

#[test]
fn many_empty_elements_are_no_attack() {
    let value = vec![(Vec::<u8>::new(), String::new()); 200_000];
    for format in formats() {
        let bytes = format.encode(&value, &Meta::default()).expect("encodes");
        let decoded = format
            .decode::<Vec<(Vec<u8>, String)>>(&bytes)
            .expect("decodes");
        assert_eq!(decoded.value.len(), value.len());
    }
    let value = vec![Vec::<()>::new(); 200_000];
    for format in formats() {
        let bytes = format.encode(&value, &Meta::default()).expect("encodes");
        assert_eq!(
            format
                .decode::<Vec<Vec<()>>>(&bytes)
                .expect("decodes")
                .value,
            value
        );
    }
}
