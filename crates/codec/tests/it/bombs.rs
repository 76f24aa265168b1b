//! A few bytes that expand, or say that they do, to more than a reader wants to hold.

use std::error::Error;

use cachekit_codec::{CodecErrorKind, ValueFormat};

use crate::support::{entry, refusal};

/// A zstd frame of spaces that declares its size: four bytes a block of 128 KiB, the most that a
/// block may hold.
fn run_of_spaces(blocks: u64) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0xC0, 0x38];
    frame.extend_from_slice(&(blocks * 128 * 1024).to_le_bytes());
    for block in 1..=blocks {
        // Block header: 1 bit last, 2 bits type (1 is a run), 21 bits size; then the repeated byte.
        let header = (128_u32 * 1024) << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(b' ');
    }
    frame
}

fn declaring(raw_len: u64, frame: &[u8]) -> Vec<u8> {
    let mut fields = vec![0x81, 8];
    fields.extend_from_slice(&raw_len.to_le_bytes());
    entry(1, 1, &fields, frame)
}

const MIB: u64 = 1024 * 1024;

#[test]
fn an_honest_run_of_spaces_is_merely_no_json() {
    let bytes = declaring(MIB, &run_of_spaces(8));
    let error = ValueFormat::json()
        .decode::<u32>(&bytes)
        .expect_err("is no JSON");
    assert_eq!(error.kind(), CodecErrorKind::Corrupt);
    let source = error.source().expect("has a source").to_string();
    assert!(source.starts_with("JSON end of input"), "{source}");
}

#[test]
fn a_declared_size_over_the_limit_is_too_large_without_a_look_at_the_body() {
    for raw_len in [64 * MIB + 1, u64::MAX] {
        assert_eq!(
            refusal::<u32>(&declaring(raw_len, b"")),
            CodecErrorKind::TooLarge
        );
    }
}

#[test]
fn a_frame_that_expands_past_the_limit_is_too_large() {
    let bomb = run_of_spaces(1024);
    assert!(bomb.len() < 5_000);
    assert_eq!(
        refusal::<u32>(&declaring(128 * MIB, &bomb)),
        CodecErrorKind::TooLarge
    );
    assert_eq!(
        refusal::<u32>(&declaring(1, &bomb)),
        CodecErrorKind::TooLarge
    );
}

#[test]
fn a_frame_that_hides_its_size_cannot_expand_past_what_the_header_says() {
    // The same blocks under a frame header without a content size and with a window of 1 MiB.
    let hidden = [
        &[0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x50][..],
        &run_of_spaces(8)[14..],
    ]
    .concat();
    assert_eq!(
        refusal::<u32>(&declaring(MIB, &hidden)),
        CodecErrorKind::Corrupt
    );
    assert_eq!(
        refusal::<u32>(&declaring(MIB - 1, &hidden)),
        CodecErrorKind::TooLarge
    );
    assert_eq!(
        refusal::<u32>(&declaring(MIB + 1, &hidden)),
        CodecErrorKind::Corrupt
    );
}

#[test]
fn a_size_that_the_frame_contradicts_is_corrupt() {
    let bytes = declaring(2 * MIB, &run_of_spaces(8));
    assert_eq!(refusal::<u32>(&bytes), CodecErrorKind::Corrupt);
}

#[test]
fn several_or_skippable_frames_are_corrupt() {
    let two = run_of_spaces(1).repeat(2);
    assert_eq!(
        refusal::<u32>(&declaring(MIB / 4, &two)),
        CodecErrorKind::Corrupt
    );
    let skippable = [0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 9];
    assert_eq!(
        refusal::<u32>(&declaring(0, &skippable)),
        CodecErrorKind::Corrupt
    );
}

#[test]
fn the_limit_is_the_readers() {
    let bytes = declaring(MIB, &run_of_spaces(8));
    let small = ValueFormat::json().with_max_size(1024 * 1024 - 1);
    let error = small.decode::<u32>(&bytes).expect_err("is over the limit");
    assert_eq!(error.kind(), CodecErrorKind::TooLarge);
}
