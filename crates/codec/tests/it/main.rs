//! The codec from the outside: what is written, what is read, and what is refused.
//!
//! One binary, so that it links once. A codec that is not built in is left out of the round trips
//! and has its own test; `--all-features` runs everything.

#[cfg(feature = "zstd")]
mod bombs;
#[cfg(feature = "zstd")]
mod dictionaries;
mod envelope;
mod evolution;
mod features;
mod header;
mod hostile;
#[cfg(feature = "bincode")]
mod hostile_bincode;
#[cfg(feature = "msgpack")]
mod hostile_msgpack;
mod json_text;
mod properties;
#[cfg(any(feature = "bincode", feature = "msgpack"))]
mod recursive;
mod round_trip;
mod secrets;
mod support;
