//! Dictionaries in the form that libzstd works with.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::get_dict_id_from_dict;

use crate::compression::Compression;
use crate::error::CodecError;

/// A checked dictionary: the bytes, for encoders of any level, and the decoder's form.
#[derive(Clone)]
pub(crate) struct PreparedDictionary(Arc<Inner>);

struct Inner {
    id: NonZeroU32,
    bytes: Box<[u8]>,
    decoder: DecoderDictionary<'static>,
}

impl PreparedDictionary {
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, CodecError> {
        // Bytes without zstd's magic number work as a "raw content" dictionary, whose frames do not
        // name it: rotation could not tell two of them apart.
        let id = get_dict_id_from_dict(bytes).ok_or_else(refused)?;
        let decoder = DecoderDictionary::try_copy(bytes).map_err(|_| refused())?;
        // Also tried for encoding, so that a bad one is found here and not at the first large
        // value.
        EncoderDictionary::try_copy(bytes, Compression::DEFAULT_LEVEL).map_err(|_| refused())?;
        Ok(Self(Arc::new(Inner {
            id,
            bytes: bytes.into(),
            decoder,
        })))
    }

    pub(crate) fn id(&self) -> NonZeroU32 {
        self.0.id
    }

    pub(super) fn decoder(&self) -> &DecoderDictionary<'static> {
        &self.0.decoder
    }
}

/// The encoder's form of a dictionary, which has the level baked in. Made at the first use and
/// shared by clones.
#[derive(Clone, Default)]
pub(crate) struct PreparedEncoder(Arc<OnceLock<EncoderDictionary<'static>>>);

impl PreparedEncoder {
    /// # Errors
    /// `Configuration` where libzstd refuses the dictionary at this level.
    pub(super) fn get_or_prepare(
        &self,
        dictionary: &PreparedDictionary,
        level: i32,
    ) -> Result<&EncoderDictionary<'static>, CodecError> {
        if let Some(ready) = self.0.get() {
            return Ok(ready);
        }
        let prepared =
            EncoderDictionary::try_copy(&dictionary.0.bytes, level).map_err(|_| refused())?;
        Ok(self.0.get_or_init(|| prepared))
    }
}

impl fmt::Debug for PreparedEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedEncoder").finish_non_exhaustive()
    }
}

fn refused() -> CodecError {
    CodecError::configuration("the bytes are not a zstd dictionary with an id")
}
