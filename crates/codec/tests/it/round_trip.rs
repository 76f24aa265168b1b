//! What is written is read back, under every codec, compression and meta.

use cachekit_codec::{CodecErrorKind, Entry, Meta, ValueFormat, peek_meta};

use crate::support::{Sample, formats, metas, sample};

#[test]
fn every_codec_compression_and_meta_reads_back_what_it_wrote() {
    for format in formats() {
        for meta in metas() {
            for value in [sample(0), sample(10_000)] {
                let bytes = format.encode(&value, &meta).expect("encodes");
                let decoded = format.decode::<Sample>(&bytes).expect("decodes");
                assert_eq!((&decoded.value, decoded.meta), (&value, meta), "{format:?}");
                assert_eq!(peek_meta(&bytes).expect("has a header or none"), meta);
            }
        }
    }
}

#[test]
fn any_format_reads_what_any_other_wrote() {
    let value = sample(10_000);
    for writer in formats() {
        let bytes = writer.encode(&value, &metas()[2]).expect("encodes");
        for reader in formats().into_iter().chain([ValueFormat::plain_json()]) {
            let decoded = reader.decode::<Sample>(&bytes).expect("decodes");
            assert_eq!((&decoded.value, decoded.meta), (&value, metas()[2]));
        }
    }
}

#[test]
fn a_negative_entry_has_its_meta_and_no_value() {
    for format in formats() {
        for meta in metas() {
            let bytes = format.encode_negative(&meta).expect("encodes");
            let negative = meta.with_negative(true);
            let entry = format.decode_entry::<Sample>(&bytes).expect("decodes");
            assert_eq!(entry, Entry::Negative(negative));
            assert_eq!(peek_meta(&bytes).expect("has a header"), negative);
            let refused = format.decode::<Sample>(&bytes).expect_err("has no value");
            assert_eq!(refused.kind(), CodecErrorKind::Negative);
        }
    }
}

#[test]
fn a_value_under_a_negative_meta_is_refused_rather_than_lost() {
    let meta = Meta::default().with_negative(true);
    let error = ValueFormat::json().encode(&1, &meta).expect_err("refused");
    assert_eq!(error.kind(), CodecErrorKind::Configuration);
}

#[test]
fn unsized_and_borrowed_values_are_encoded() {
    for format in formats() {
        let text = format
            .encode::<str>("text", &Meta::default())
            .expect("encodes");
        assert_eq!(
            format.decode::<String>(&text).expect("decodes").value,
            "text"
        );
        let slice = format
            .encode::<[u16]>(&[1, 2], &Meta::default())
            .expect("encodes");
        assert_eq!(
            format.decode::<Vec<u16>>(&slice).expect("decodes").value,
            [1, 2]
        );
    }
}

#[cfg(feature = "zstd")]
#[test]
fn a_value_is_compressed_above_the_threshold_and_not_at_it() {
    let format = ValueFormat::json();
    // The quotation marks take two bytes of the 1 024.
    let at = format
        .encode(&"a".repeat(1_022), &Meta::default())
        .expect("encodes");
    assert_eq!((at[0], at.len()), (b'"', 1_024));
    let above = format
        .encode(&"a".repeat(1_023), &Meta::default())
        .expect("encodes");
    assert!(
        above[0] == 0xC1 && above.len() < 100,
        "{} bytes",
        above.len()
    );
}

#[cfg(feature = "zstd")]
#[test]
fn a_short_value_that_would_grow_stays_bare_text() {
    let eager = cachekit_codec::Compression::default().with_threshold(0);
    let format = ValueFormat::json().with_compression(eager);
    let bytes = format
        .encode("abcdefghij", &Meta::default())
        .expect("encodes");
    assert_eq!(bytes, &br#""abcdefghij""#[..]);
}

#[cfg(all(feature = "zstd", feature = "bincode"))]
#[test]
fn noise_is_not_compressed() {
    // Only a binary codec can carry noise: JSON text always shrinks.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(10_000)
    .collect();
    let format = ValueFormat::json().with_codec(cachekit_codec::Codec::Bincode);
    let bytes = format.encode(&noise, &Meta::default()).expect("encodes");
    assert_eq!(bytes[4], 0, "says that it is not compressed");
    assert!(bytes.ends_with(&noise));
}

#[test]
fn the_size_limit_holds_for_what_is_written_to_the_byte() {
    for format in formats() {
        let value = "a".repeat(2_000);
        let uncompressed = format.clone().without_compression();
        let len = uncompressed
            .encode(&value, &metas()[2])
            .expect("encodes")
            .len();
        let fits = format.clone().with_max_size(len);
        let bytes = fits.encode(&value, &metas()[2]).expect("fits");
        assert_eq!(fits.decode::<String>(&bytes).expect("fits").value, value);

        let tight = format.with_max_size(len - 1);
        let error = tight
            .encode(&value, &metas()[2])
            .expect_err("one byte too many");
        assert_eq!(error.kind(), CodecErrorKind::TooLarge);
    }
}

#[test]
fn clones_encode_and_decode_on_many_threads() {
    for format in formats() {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let format = format.clone();
                scope.spawn(move || {
                    for round in 0..20 {
                        let value = sample(2_000 + 100 * thread + round);
                        let bytes = format.encode(&value, &Meta::default()).expect("encodes");
                        assert_eq!(
                            format.decode::<Sample>(&bytes).expect("decodes").value,
                            value
                        );
                    }
                });
            }
        });
    }
}
