//! The header of an entry that is not plain JSON text. The layout is in the crate's documentation,
//! because programs in other languages need it too.
//!
//! Parsing allocates nothing, and whatever it is given is either a header or a typed error.

use std::time::Duration;

use crate::codec::Codec;
use crate::error::{CodecError, CodecErrorKind};
use crate::meta::{Meta, whole_micros};

/// The first byte of every header.
pub(crate) const MAGIC: u8 = 0xC1;
const MAGIC_2: u8 = 0x6B;
const VERSION: u8 = 1;
const PREFIX_LEN: usize = 7;
/// The longest header that is written: four numbers of at most ten bytes and an empty field.
pub(crate) const MAX_WRITTEN_LEN: usize = PREFIX_LEN + 4 * 10 + 2;

const COMPRESSION_NONE: u8 = 0;
const COMPRESSION_ZSTD: u8 = 1;
const CODEC_NONE: u8 = 0;

const TAG_FRESH_UNTIL: u8 = 0x02;
const TAG_CREATED_AT: u8 = 0x03;
const TAG_LOAD_TIME: u8 = 0x04;
const TAG_RAW_LEN: u8 = CRITICAL | 0x01;
const TAG_NEGATIVE: u8 = CRITICAL | 0x05;
const CRITICAL: u8 = 0x80;

/// A parsed header, or one to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// `None` exactly where the meta is negative.
    pub(crate) codec: Option<Codec>,
    /// The length before compression, of a compressed body.
    pub(crate) raw_len: Option<u64>,
    pub(crate) meta: Meta,
}

impl Header {
    /// Appends the header to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let codec = self.codec.map_or(CODEC_NONE, codec_byte);
        let compression = if self.raw_len.is_some() {
            COMPRESSION_ZSTD
        } else {
            COMPRESSION_NONE
        };
        let start = out.len();
        out.extend_from_slice(&[MAGIC, MAGIC_2, VERSION, codec, compression, 0, 0]);
        write_number(out, TAG_FRESH_UNTIL, self.meta.fresh_until);
        write_number(out, TAG_CREATED_AT, self.meta.created_at);
        write_number(out, TAG_LOAD_TIME, self.meta.load_time.map(whole_micros));
        write_number(out, TAG_RAW_LEN, self.raw_len);
        if self.meta.negative {
            out.extend_from_slice(&[TAG_NEGATIVE, 0]);
        }
        // At most `MAX_WRITTEN_LEN`: the length always fits.
        let fields_len = (out.len() - start - PREFIX_LEN) as u16;
        out[start + 5..start + PREFIX_LEN].copy_from_slice(&fields_len.to_le_bytes());
    }

    /// Splits `bytes`, which start with [`MAGIC`], into header and body. Allocates nothing.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), CodecError> {
        let Some((&[magic, magic_2, version, codec, compression, low, high], rest)) =
            bytes.split_first_chunk::<PREFIX_LEN>()
        else {
            return Err(parse_short(bytes));
        };
        check_start(magic, magic_2, version)?;
        let codec = parse_codec(codec)?;
        let fields_len = usize::from(u16::from_le_bytes([low, high]));
        let (fields, body) = rest
            .split_at_checked(fields_len)
            .ok_or_else(|| CodecError::corrupt("the entry's header is truncated"))?;
        let (meta, raw_len) = parse_fields(fields)?;
        let header = Self {
            codec,
            raw_len,
            meta,
        };
        header.check_consistent(compression, body)?;
        Ok((header, body))
    }

    fn check_consistent(&self, compression: u8, body: &[u8]) -> Result<(), CodecError> {
        match compression {
            COMPRESSION_NONE if self.raw_len.is_none() => {}
            COMPRESSION_ZSTD if self.raw_len.is_some() => {}
            COMPRESSION_NONE | COMPRESSION_ZSTD => {
                return Err(CodecError::corrupt(
                    "the entry's header contradicts itself about compression",
                ));
            }
            _ => return Err(newer("the entry's compression is of a newer version")),
        }
        let no_body = body.is_empty() && self.raw_len.is_none();
        match (self.codec, self.meta.negative) {
            (Some(_), false) => Ok(()),
            (None, true) if no_body => Ok(()),
            _ => Err(CodecError::corrupt(
                "the entry's header contradicts itself about a body",
            )),
        }
    }
}

/// Of an entry cut inside the fixed part, what there is still decides between damage and a newer
/// version.
fn parse_short(bytes: &[u8]) -> CodecError {
    if let [magic, magic_2, version, ..] = *bytes
        && let Err(error) = check_start(magic, magic_2, version)
    {
        return error;
    }
    CodecError::corrupt("the entry's header is truncated")
}

fn check_start(magic: u8, magic_2: u8, version: u8) -> Result<(), CodecError> {
    if [magic, magic_2] != [MAGIC, MAGIC_2] || version == 0 {
        return Err(CodecError::corrupt(
            "the entry does not start with a header",
        ));
    }
    if version > VERSION {
        return Err(newer("the entry's header is of a newer version"));
    }
    Ok(())
}

fn codec_byte(codec: Codec) -> u8 {
    match codec {
        Codec::Json => 1,
        Codec::Bincode => 2,
        Codec::MessagePack => 3,
    }
}

fn parse_codec(byte: u8) -> Result<Option<Codec>, CodecError> {
    match byte {
        CODEC_NONE => Ok(None),
        1 => Ok(Some(Codec::Json)),
        2 => Ok(Some(Codec::Bincode)),
        3 => Ok(Some(Codec::MessagePack)),
        _ => Err(newer("the entry's codec is of a newer version")),
    }
}

fn parse_fields(mut fields: &[u8]) -> Result<(Meta, Option<u64>), CodecError> {
    let mut meta = Meta::default();
    let mut load_micros = None;
    let mut raw_len = None;
    while let [tag, len, rest @ ..] = fields {
        let (value, rest) = rest
            .split_at_checked(usize::from(*len))
            .ok_or_else(damaged)?;
        fields = rest;
        match *tag {
            TAG_FRESH_UNTIL => set_once(&mut meta.fresh_until, value)?,
            TAG_CREATED_AT => set_once(&mut meta.created_at, value)?,
            TAG_LOAD_TIME => set_once(&mut load_micros, value)?,
            TAG_RAW_LEN => set_once(&mut raw_len, value)?,
            TAG_NEGATIVE if meta.negative || !value.is_empty() => return Err(damaged()),
            TAG_NEGATIVE => meta.negative = true,
            unknown if unknown & CRITICAL != 0 => {
                return Err(newer("the entry needs a field of a newer version"));
            }
            _ => {}
        }
    }
    if !fields.is_empty() {
        return Err(damaged());
    }
    meta.load_time = load_micros.map(Duration::from_micros);
    Ok((meta, raw_len))
}

fn set_once(field: &mut Option<u64>, value: &[u8]) -> Result<(), CodecError> {
    if field.is_some() || value.is_empty() || value.len() > 8 {
        return Err(damaged());
    }
    let mut bytes = [0; 8];
    bytes[..value.len()].copy_from_slice(value);
    *field = Some(u64::from_le_bytes(bytes));
    Ok(())
}

fn write_number(out: &mut Vec<u8>, tag: u8, number: Option<u64>) {
    let Some(number) = number else { return };
    let bytes = number.to_le_bytes();
    let significant = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |last| last + 1);
    out.extend_from_slice(&[tag, significant as u8]);
    out.extend_from_slice(&bytes[..significant]);
}

fn damaged() -> CodecError {
    CodecError::corrupt("the entry's header fields are damaged")
}

fn newer(what: &'static str) -> CodecError {
    CodecError::new(CodecErrorKind::Newer, what)
}
