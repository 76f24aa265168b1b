//! Reads arbitrary bytes as an event. Whatever they are, the answer is an event within the limits or a typed error; and what
//! was read can be written and read again.
//!
//! Run in `crates/codec` with `cargo +nightly fuzz run envelope`.
#![no_main]

use cachekit_codec::{CodecErrorKind, Envelope};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    match Envelope::from_json(bytes) {
        Err(error) => assert!(matches!(
            error.kind(),
            CodecErrorKind::Corrupt | CodecErrorKind::Newer | CodecErrorKind::TooLarge
        )),
        Ok(event) => {
            let _ = event.data::<Value>();
            // Base 64 and escapes may take more room than what was read.
            if let Ok(text) = event.to_json() {
                assert_eq!(Envelope::from_json(&text).expect("it was written"), event);
            }
        }
    }
});
