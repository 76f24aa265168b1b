//! Keys of model responses: `model:{model_name}:{version}:{prompt_hash}:response`.

use crate::{
    ContentHash, FieldReader, FieldWriter, KeyError, KeyFamily, Level, ModelName, ModelVersion,
    Part, Shape,
};

/// `model:{model_name}:{version}:{prompt_hash}:response`: the response to one prompt.
///
/// It has no owner and no hash tag in either format: a popular model's responses would all fall on one slot.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{ContentHash, KeySchema, ModelKey, ModelName, ModelVersion};
///
/// let key = ModelKey::new(
///     ModelName::new("gpt-4")?,
///     ModelVersion::new("v2.1.0")?,
///     ContentHash::of("the prompt"),
/// );
/// let rendered = KeySchema::plain().key(&key);
/// assert!(rendered.as_str().is_some_and(|text| text.starts_with("model:gpt-4:v2.1.0:")));
/// assert_eq!(rendered, KeySchema::sharded().key(&key));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelKey {
    /// The model.
    pub name: ModelName,
    /// Its version.
    pub version: ModelVersion,
    /// The hash of the whole prompt, parameters included.
    pub prompt_hash: ContentHash,
}

impl ModelKey {
    /// The key of the response to one prompt.
    ///
    /// # Examples
    ///
    /// See [`ModelKey`].
    #[must_use]
    pub const fn new(name: ModelName, version: ModelVersion, prompt_hash: ContentHash) -> Self {
        Self {
            name,
            version,
            prompt_hash,
        }
    }
}

impl KeyFamily for ModelKey {
    const SHAPES: &'static [Shape] = &[Shape::built_in(
        "model",
        &[
            Part::Id,
            Part::Id,
            Part::IdUpTo(ContentHash::MAX_BYTES),
            Part::Literal("response"),
        ],
    )];
    const LEVEL: Level = Level::Global;

    fn shape(&self) -> usize {
        0
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields
            .id(&self.name)
            .id(&self.version)
            .id(&self.prompt_hash);
    }

    fn read(_: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        Ok(Self {
            name: fields.id()?,
            version: fields.id()?,
            prompt_hash: fields.id()?,
        })
    }
}
