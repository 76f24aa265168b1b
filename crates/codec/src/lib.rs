//! Values to bytes and back, for caches that several programs share.
//!
//! A [`ValueFormat`] turns any serde value into the bytes of a cache entry. By default these are
//! the bare JSON text, which `redis-cli`, Python and Node read; a large value is compressed with
//! zstd; other codecs, compression and facts about the entry ([`Meta`]: freshness, age, cost of
//! loading, negative) go under a short versioned header. A reader takes every form, whatever it is
//! set to write.
//!
//! The bytes that are read are taken for hostile: sizes that they declare are checked against
//! [`ValueFormat::with_max_size`] before anything is allocated, nesting is bounded, and whatever is
//! wrong with them is a [`CodecError`] with a [kind](CodecErrorKind) and without any part of the
//! value in its text.
//!
//! An [`Envelope`] carries events between programs: a `CloudEvent` as one JSON object.
//!
//! The crate is pure: no I/O, no clock, no randomness. It is not encryption or authentication
//! (whoever can write to the server can change entries), and detects damage only as far as the
//! codec notices it.
//!
//! # Cargo features
//! `bincode` and `zstd` are on by default, `msgpack` is not. The types are the same under any set
//! of features; what is not built in is an error of kind [`CodecErrorKind::NotBuiltIn`].
//!
//! # Examples
//! ```
//! use cachekit_codec::{Meta, ValueFormat};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Snippet {
//!     language: String,
//!     lines: u32,
//! }
//!
//! let format = ValueFormat::json();
//! let snippet = Snippet { language: "rust".to_owned(), lines: 3 };
//! let bytes = format.encode(&snippet, &Meta::default())?;
//! assert_eq!(&bytes[..], br#"{"language":"rust","lines":3}"#);
//! assert_eq!(format.decode::<Snippet>(&bytes)?.value, snippet);
//! # Ok::<(), cachekit_codec::CodecError>(())
//! ```
//!
//! # The layout of an entry
//! An entry that starts with any byte but `0xC1` is JSON text. Else it starts with a header:
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 1 | `0xC1`: occurs nowhere in UTF-8, so it starts no JSON text, and is the byte that MessagePack never uses |
//! | 1 | 1 | `0x6B` (`k`) |
//! | 2 | 1 | version of the layout: `1` |
//! | 3 | 1 | codec: `0` no body (negative entry), `1` JSON, `2` bincode, `3` MessagePack |
//! | 4 | 1 | compression: `0` none, `1` one zstd frame (it names its dictionary, if any) |
//! | 5 | 2 | length *n* of the fields, little-endian |
//! | 7 | *n* | fields, each a tag (1 byte), a length *m* (1 byte) and *m* bytes |
//! | 7 + *n* | rest | body |
//!
//! | tag | field | value |
//! |---|---|---|
//! | `0x02` | fresh until | number: milliseconds since the Unix epoch |
//! | `0x03` | created at | number: milliseconds since the Unix epoch |
//! | `0x04` | load time | number: microseconds |
//! | `0x81` | length of the body before compression; present if and only if it is compressed | number: bytes |
//! | `0x85` | negative entry; present if and only if the codec is `0` | empty |
//!
//! A number is an unsigned little-endian integer of 1 to 8 bytes, written in the shortest form.
//! Fields are written in the order of their tags and read in any order; a known tag that comes
//! twice is damage. Bit 7 of a tag marks the field as critical: a reader skips an unknown field
//! without it, and refuses an entry with an unknown critical field as written by a newer version. A
//! change that this cannot express raises the version.

mod body;
mod bounded;
mod codec;
mod compression;
mod compressor;
mod entry;
mod envelope;
mod error;
mod format;
mod header;
mod meta;

pub use codec::Codec;
pub use compression::{Compression, Dictionary};
pub use entry::{Decoded, Entry, peek_meta};
pub use envelope::{Attribute, Envelope};
pub use error::{CodecError, CodecErrorKind};
pub use format::ValueFormat;
pub use meta::Meta;
