//! Writing an entry.

use bytes::Bytes;
use serde::Serialize;

use super::ValueFormat;
use crate::body;
use crate::bounded::BoundedWriter;
use crate::codec::Codec;
use crate::error::CodecError;
use crate::header::{self, Header};
use crate::meta::Meta;

impl ValueFormat {
    /// Turns a value into the bytes to store.
    ///
    /// # Errors
    /// [`TooLarge`](crate::CodecErrorKind::TooLarge) over the size limit,
    /// [`Encode`](crate::CodecErrorKind::Encode) where the value's `Serialize` fails,
    /// [`Configuration`](crate::CodecErrorKind::Configuration) for a negative `meta` (see
    /// [`encode_negative`](Self::encode_negative)), and what [`check`](Self::check) answers.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Meta, ValueFormat};
    /// let meta = Meta::default().with_fresh_until(1_700_000_000_000);
    /// let bytes = ValueFormat::json().encode("value", &meta)?;
    /// assert_eq!(ValueFormat::json().decode::<String>(&bytes)?.meta, meta);
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    pub fn encode<T: Serialize + ?Sized>(
        &self,
        value: &T,
        meta: &Meta,
    ) -> Result<Bytes, CodecError> {
        self.encode_value(value, meta)
            .map_err(CodecError::for_type::<T>)
    }

    fn encode_value<T: Serialize + ?Sized>(
        &self,
        value: &T,
        meta: &Meta,
    ) -> Result<Bytes, CodecError> {
        self.check()?;
        if meta.negative {
            return Err(CodecError::configuration("a negative entry has no value"));
        }
        let mut out = BoundedWriter::new(self.max_size);
        let header = Header {
            codec: Some(self.codec),
            raw_len: None,
            meta: *meta,
        };
        let bare = self.plain || (self.codec == Codec::Json && meta.is_empty());
        if !bare {
            header.write(&mut out.buffer);
        }
        let header_len = out.buffer.len();
        body::write(self.codec, value, &mut out)?;
        let encoded = out.buffer;
        match self.compress(&encoded[header_len..], header)? {
            Some(compressed) => Ok(Bytes::from(compressed)),
            None => Ok(Bytes::from(encoded)),
        }
    }

    /// The compressed entry, or `None` where the value is below the threshold or does not compress.
    fn compress(&self, raw: &[u8], header: Header) -> Result<Option<Vec<u8>>, CodecError> {
        let Some(compression) = &self.compression else {
            return Ok(None);
        };
        if raw.len() <= compression.threshold() {
            return Ok(None);
        }
        let Some(body) = self.engine.compress(raw, compression)? else {
            return Ok(None);
        };
        let mut entry = Vec::with_capacity(header::MAX_WRITTEN_LEN + body.len());
        Header {
            raw_len: Some(raw.len() as u64),
            ..header
        }
        .write(&mut entry);
        entry.extend_from_slice(&body);
        Ok((entry.len() < raw.len()).then_some(entry))
    }

    /// Turns "this value does not exist" into the bytes to store. `meta` is stored with it.
    ///
    /// # Errors
    /// [`Configuration`](crate::CodecErrorKind::Configuration) with
    /// [`plain_json`](Self::plain_json), which cannot express it.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Entry, Meta, ValueFormat};
    /// let format = ValueFormat::json();
    /// let bytes = format.encode_negative(&Meta::default().with_created_at(1))?;
    /// assert!(matches!(format.decode_entry::<u32>(&bytes)?, Entry::Negative(_)));
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    pub fn encode_negative(&self, meta: &Meta) -> Result<Bytes, CodecError> {
        self.check()?;
        if self.plain {
            return Err(CodecError::configuration(
                "plain JSON cannot express a negative entry",
            ));
        }
        let mut out = Vec::with_capacity(header::MAX_WRITTEN_LEN);
        Header {
            codec: None,
            raw_len: None,
            meta: meta.with_negative(true),
        }
        .write(&mut out);
        Ok(Bytes::from(out))
    }
}
