//! What stands in for zstd where it is not built in: every use is an error of kind `NotBuiltIn`.

use std::num::NonZeroU32;

use super::not_built_in;
use crate::compression::{Compression, Dictionary};
use crate::error::CodecError;

#[derive(Debug, Clone, Default)]
pub(crate) struct PreparedEncoder(());

/// Has no values, as no dictionary can be made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PreparedDictionary {}

impl PreparedDictionary {
    pub(crate) fn new(_bytes: &[u8]) -> Result<Self, CodecError> {
        Err(not_built_in())
    }

    pub(crate) fn id(&self) -> NonZeroU32 {
        match *self {}
    }
}

#[derive(Debug, Default)]
pub(crate) struct Engine;

impl Engine {
    pub(crate) fn compress(
        &self,
        _raw: &[u8],
        _compression: &Compression,
    ) -> Result<Option<Vec<u8>>, CodecError> {
        Err(not_built_in())
    }

    pub(crate) fn decompress<'a>(
        &self,
        _body: &[u8],
        _raw_len: usize,
        _dictionaries: impl Iterator<Item = &'a Dictionary>,
    ) -> Result<Vec<u8>, CodecError> {
        Err(not_built_in())
    }
}
