//! A family as a user declares it, for the other tests.

use crate::{
    BoundedSegment, FieldReader, FieldWriter, KeyError, KeyFamily, KeyPath, Level, Part, Segment,
    Shape, UserId,
};

/// `report:{region}:{user}:summary:{name}`, or `report:{region}:{user}:file:{path}`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ReportKey {
    Summary {
        region: BoundedSegment<32>,
        user: UserId,
        name: Segment,
    },
    File {
        region: BoundedSegment<32>,
        user: UserId,
        path: KeyPath,
    },
}

impl KeyFamily for ReportKey {
    const LEVEL: Level = Level::Project;
    const SHAPES: &'static [Shape] = &[
        Shape::new(
            "report",
            &[
                Part::IdUpTo(32),
                Part::Owner,
                Part::Literal("summary"),
                Part::Id,
            ],
        ),
        Shape::new(
            "report",
            &[
                Part::IdUpTo(32),
                Part::Owner,
                Part::Literal("file"),
                Part::Path,
            ],
        ),
    ];

    fn shape(&self) -> usize {
        match self {
            Self::Summary { .. } => 0,
            Self::File { .. } => 1,
        }
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        match self {
            Self::Summary { region, user, name } => fields.id(region).owner(user).id(name),
            Self::File { region, user, path } => fields.id(region).owner(user).path(path),
        };
    }

    fn read(shape: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        let (region, user) = (fields.id()?, fields.owner()?);
        Ok(match shape {
            0 => Self::Summary {
                region,
                user,
                name: fields.id()?,
            },
            _ => Self::File {
                region,
                user,
                path: fields.path()?,
            },
        })
    }
}

/// A family whose code does not follow its shape.
#[derive(Debug)]
pub(super) struct Careless {
    pub(super) writes: usize,
}

impl KeyFamily for Careless {
    const LEVEL: Level = Level::Global;
    const SHAPES: &'static [Shape] = &[Shape::new("careless", &[Part::Id, Part::IdUpTo(20)])];

    fn shape(&self) -> usize {
        0
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        (0..self.writes).for_each(|number| {
            fields.id(&(number as u64));
        });
    }

    fn read(_: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        fields.id::<u64>().map(|_| Self { writes: 1 })
    }
}

/// A family whose field may be longer than its shape allows.
#[derive(Debug)]
pub(super) struct Wide(pub(super) Segment);

impl KeyFamily for Wide {
    const LEVEL: Level = Level::Global;
    const SHAPES: &'static [Shape] = &[Shape::new("wide", &[Part::IdUpTo(20)])];

    fn shape(&self) -> usize {
        0
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.id(&self.0);
    }

    fn read(_: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        fields.id().map(Self)
    }
}
