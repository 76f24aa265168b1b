//! The one place that touches libzstd, and its stand-in without the cargo feature `zstd`.

#[cfg(not(feature = "zstd"))]
mod absent;
#[cfg(feature = "zstd")]
mod engine;
#[cfg(feature = "zstd")]
mod prepared;

#[cfg(not(feature = "zstd"))]
pub(crate) use absent::{Engine, PreparedDictionary, PreparedEncoder};
#[cfg(feature = "zstd")]
pub(crate) use engine::Engine;
#[cfg(feature = "zstd")]
pub(crate) use prepared::{PreparedDictionary, PreparedEncoder};

use crate::error::{CodecError, CodecErrorKind};

pub(crate) fn not_built_in() -> CodecError {
    CodecError::new(
        CodecErrorKind::NotBuiltIn,
        "compression needs the cargo feature zstd",
    )
}
