//! Compressing and decompressing one body.
//!
//! Contexts are costly to make and belong to one thread at a time, so a format keeps a few idle
//! ones. Only the one-shot calls are used: each names its level and dictionary and ends with a
//! reset, so nothing of one call, its dictionary least of all, is left in a context for the next.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use zstd::zstd_safe::{
    CCtx, DCtx, compress_bound, find_frame_compressed_size, get_dict_id_from_frame,
    get_frame_content_size, is_error_kind, zstd_sys::ZSTD_ErrorCode,
};

use crate::compression::{Compression, Dictionary};
use crate::error::{CodecError, CodecErrorKind, Fault};

/// More idle contexts than this are freed: a context for large values holds megabytes.
const MAX_IDLE: usize = 8;

/// The contexts of a format, shared by its clones.
#[derive(Default)]
pub(crate) struct Engine {
    encoders: Pool<CCtx<'static>>,
    decoders: Pool<DCtx<'static>>,
}

impl Engine {
    /// Compresses `raw`, or answers `None` where that does not pay (more than nine tenths are
    /// left).
    pub(crate) fn compress(
        &self,
        raw: &[u8],
        compression: &Compression,
    ) -> Result<Option<Vec<u8>>, CodecError> {
        let mut out = with_capacity(compress_bound(raw.len()))?;
        let mut context = self
            .encoders
            .take()
            .or_else(CCtx::try_create)
            .ok_or_else(out_of_memory)?;
        let written = match compression.dictionary() {
            Some(dictionary) => {
                let encoder = compression
                    .encoder()
                    .get_or_prepare(dictionary.prepared(), compression.level())?;
                context.compress_using_cdict(&mut out, raw, encoder.as_cdict())
            }
            None => context.compress(&mut out, raw, compression.level()),
        };
        let written = written.map_err(|_| {
            CodecError::new(CodecErrorKind::Encode, "zstd cannot compress the value")
        })?;
        self.encoders.put(context);
        Ok((written <= raw.len() / 10 * 9).then_some(out))
    }

    /// Decompresses a body that declares `raw_len` bytes, which the caller has checked against its
    /// limit.
    pub(crate) fn decompress<'a>(
        &self,
        body: &[u8],
        raw_len: usize,
        dictionaries: impl Iterator<Item = &'a Dictionary>,
    ) -> Result<Vec<u8>, CodecError> {
        check_frame(body, raw_len)?;
        let dictionary = select_dictionary(body, dictionaries)?;
        let mut raw = with_capacity(raw_len)?;
        let mut context = self
            .decoders
            .take()
            .or_else(DCtx::try_create)
            .ok_or_else(out_of_memory)?;
        let written = match dictionary {
            Some(dictionary) => {
                let decoder = dictionary.prepared().decoder();
                context.decompress_using_ddict(&mut raw, body, decoder.as_ddict())
            }
            None => context.decompress(&mut raw, body),
        };
        let written = written.map_err(decompression_failed)?;
        self.decoders.put(context);
        if written != raw_len {
            return Err(CodecError::corrupt(
                "the entry is shorter than its header says",
            ));
        }
        Ok(raw)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// The body must be one whole frame and nothing else, and agree with the header about its size.
fn check_frame(body: &[u8], raw_len: usize) -> Result<(), CodecError> {
    let damaged = || CodecError::corrupt("the entry's compressed body is damaged");
    if find_frame_compressed_size(body).map_err(|_| damaged())? != body.len() {
        return Err(damaged());
    }
    match get_frame_content_size(body).map_err(|_| damaged())? {
        Some(size) if size > raw_len as u64 => Err(expands_too_far()),
        Some(size) if size < raw_len as u64 => Err(damaged()),
        _ => Ok(()),
    }
}

fn select_dictionary<'a>(
    body: &[u8],
    mut dictionaries: impl Iterator<Item = &'a Dictionary>,
) -> Result<Option<&'a Dictionary>, CodecError> {
    let Some(id) = get_dict_id_from_frame(body) else {
        return Ok(None);
    };
    match dictionaries.find(|dictionary| dictionary.id() == id) {
        Some(dictionary) => Ok(Some(dictionary)),
        None => Err(CodecError::new(
            CodecErrorKind::UnknownDictionary,
            "the entry was compressed with a dictionary that this reader does not have",
        )),
    }
}

fn decompression_failed(code: usize) -> CodecError {
    if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) {
        return expands_too_far();
    }
    let reason = zstd::zstd_safe::get_error_name(code);
    CodecError::corrupt("the entry's compressed body is damaged").with_source(Fault {
        codec: "zstd",
        reason,
    })
}

fn expands_too_far() -> CodecError {
    CodecError::new(
        CodecErrorKind::TooLarge,
        "the entry expands to more than its header says",
    )
}

fn with_capacity(bytes: usize) -> Result<Vec<u8>, CodecError> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(bytes).map_err(|_| out_of_memory())?;
    Ok(vec)
}

fn out_of_memory() -> CodecError {
    CodecError::new(CodecErrorKind::TooLarge, "there is no memory for the value")
}

/// Idle contexts. The lock is held for a push or a pop only.
struct Pool<C>(Mutex<Vec<C>>);

impl<C> Pool<C> {
    fn take(&self) -> Option<C> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, context: C) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(context);
        }
    }
}

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}
