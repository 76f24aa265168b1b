//! Reading an entry.

use serde::de::DeserializeOwned;

use super::ValueFormat;
use crate::body;
use crate::codec::Codec;
use crate::compression::Compression;
use crate::entry::{Decoded, Entry};
use crate::error::{CodecError, CodecErrorKind};
use crate::header::{self, Header};
use crate::meta::Meta;

impl ValueFormat {
    /// Reads an entry that must hold a value. What wrote it need not have used these settings.
    ///
    /// # Errors
    /// [`Negative`](CodecErrorKind::Negative) for a negative entry; else as
    /// [`decode_entry`](Self::decode_entry).
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::ValueFormat;
    /// let decoded = ValueFormat::json().decode::<Vec<u8>>(b"[1, 2]")?;
    /// assert_eq!(decoded.value, [1, 2]);
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<Decoded<T>, CodecError> {
        match self.decode_entry(bytes)? {
            Entry::Value(decoded) => Ok(decoded),
            Entry::Negative(_) => Err(CodecError::new(
                CodecErrorKind::Negative,
                "the entry is negative",
            )),
        }
    }

    /// Reads an entry that holds a value or is negative. What wrote it need not have used these
    /// settings.
    ///
    /// # Errors
    /// [`Corrupt`](CodecErrorKind::Corrupt), [`TooLarge`](CodecErrorKind::TooLarge),
    /// [`Newer`](CodecErrorKind::Newer), [`NotBuiltIn`](CodecErrorKind::NotBuiltIn) or
    /// [`UnknownDictionary`](CodecErrorKind::UnknownDictionary), by what the bytes are; and
    /// [`Configuration`](CodecErrorKind::Configuration) for a `T` that this format's own codec can
    /// write but not read.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Entry, ValueFormat};
    /// let entry = ValueFormat::json().decode_entry::<u32>(b"7")?;
    /// assert!(matches!(entry, Entry::Value(decoded) if decoded.value == 7));
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    pub fn decode_entry<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<Entry<T>, CodecError> {
        self.decode_any(bytes).map_err(CodecError::for_type::<T>)
    }

    fn decode_any<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<Entry<T>, CodecError> {
        if bytes.len() > self.max_size {
            return Err(self.too_large());
        }
        if bytes.first() != Some(&header::MAGIC) {
            let value = body::read(Codec::Json, bytes)?;
            return Ok(Entry::Value(Decoded {
                value,
                meta: Meta::default(),
            }));
        }
        let (
            Header {
                codec,
                raw_len,
                meta,
            },
            body,
        ) = Header::parse(bytes)?;
        let Some(codec) = codec else {
            return Ok(Entry::Negative(meta));
        };
        // Before decompressing, which would be in vain.
        body::check(codec)?;
        let value = match raw_len {
            None => self.read_body(codec, body)?,
            Some(raw_len) => self.read_body(codec, &self.decompress(body, raw_len)?)?,
        };
        Ok(Entry::Value(Decoded { value, meta }))
    }

    fn read_body<T: DeserializeOwned>(&self, codec: Codec, body: &[u8]) -> Result<T, CodecError> {
        body::read(codec, body).map_err(|error| match error.kind() {
            // A mistake of this program only if it would write in that codec; else the bytes are to
            // blame.
            CodecErrorKind::Configuration if codec != self.codec => {
                error.with_kind(CodecErrorKind::Corrupt)
            }
            _ => error,
        })
    }

    fn decompress(&self, body: &[u8], raw_len: u64) -> Result<Vec<u8>, CodecError> {
        let raw_len = usize::try_from(raw_len).map_err(|_| self.too_large())?;
        if raw_len > self.max_size {
            return Err(self.too_large());
        }
        let own = self.compression.as_ref().and_then(Compression::dictionary);
        let dictionaries = own.into_iter().chain(self.decoding_dictionaries.iter());
        self.engine.decompress(body, raw_len, dictionaries)
    }

    fn too_large(&self) -> CodecError {
        CodecError::too_large("the entry", self.max_size)
    }
}
