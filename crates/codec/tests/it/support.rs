//! Values and helpers that several of the tests use.

use std::collections::BTreeMap;
use std::time::Duration;

use cachekit_codec::{Codec, CodecErrorKind, Compression, Meta, ValueFormat};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One of everything that serde distinguishes and every codec can carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) blob: Vec<u8>,
    pub(crate) numbers: (i8, u16, i64, u64, f64),
    pub(crate) wide: u128,
    pub(crate) letter: char,
    pub(crate) maybe: Option<Box<Sample>>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) map: BTreeMap<String, u32>,
    pub(crate) wrapper: Wrapper,
    pub(crate) unit: (),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    Point,
    Circle(f32),
    Line(i32, i32),
    Named { label: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wrapper(pub(crate) bool);

/// Nests as deep as a test wants.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tree(pub(crate) Vec<Tree>);

pub(crate) fn sample(text_len: usize) -> Sample {
    Sample {
        name: "näme 🦀 ".repeat(text_len / 8),
        blob: vec![0, 1, 254, 255],
        numbers: (-1, 65_535, i64::MIN, u64::MAX, 0.1),
        wide: u128::MAX,
        letter: '🦀',
        maybe: (text_len > 0).then(|| Box::new(sample(0))),
        shapes: vec![
            Shape::Point,
            Shape::Circle(1.5),
            Shape::Line(-1, i32::MAX),
            Shape::Named {
                label: "x".to_owned(),
            },
        ],
        map: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), u32::MAX)]),
        wrapper: Wrapper(true),
        unit: (),
    }
}

pub(crate) fn codecs() -> impl Iterator<Item = Codec> {
    [Codec::Json, Codec::Bincode, Codec::MessagePack]
        .into_iter()
        .filter(|codec| codec.is_built_in())
}

/// Every way to compress that this build has; each but `None` compresses the long sample.
pub(crate) fn compressions() -> Vec<Option<Compression>> {
    let mut all = vec![None];
    if cfg!(feature = "zstd") {
        all.push(Some(Compression::default()));
        all.push(Some(
            Compression::default().with_threshold(0).with_level(-7),
        ));
        all.push(Some(Compression::default().with_level(22)));
    }
    all
}

pub(crate) fn metas() -> [Meta; 4] {
    let all = Meta::default()
        .with_fresh_until(1_700_000_060_000)
        .with_created_at(1_700_000_000_000)
        .with_load_time(Duration::from_micros(12_345));
    let extreme = Meta::default()
        .with_fresh_until(u64::MAX)
        .with_created_at(0)
        .with_load_time(Duration::MAX);
    [
        Meta::default(),
        Meta::default().with_fresh_until(1),
        all,
        extreme,
    ]
}

pub(crate) fn formats() -> Vec<ValueFormat> {
    let mut all = Vec::new();
    for codec in codecs() {
        for compression in compressions() {
            let format = ValueFormat::json().without_compression().with_codec(codec);
            all.push(match compression {
                Some(compression) => format.with_compression(compression),
                None => format,
            });
        }
    }
    all
}

pub(crate) fn refusal<T: DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) -> CodecErrorKind {
    ValueFormat::json()
        .decode::<T>(bytes)
        .expect_err("the entry is refused")
        .kind()
}

/// A header with these codec and compression bytes and fields, and a body.
pub(crate) fn entry(codec: u8, compression: u8, fields: &[u8], body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(fields.len())
        .expect("short fields")
        .to_le_bytes();
    let prefix = [0xC1, 0x6B, 1, codec, compression, len[0], len[1]];
    [&prefix[..], fields, body].concat()
}
