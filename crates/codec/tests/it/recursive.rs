//! Types that contain themselves, each through another part of serde's data model.

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) next: Option<Box<Chain>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Thin(pub(crate) Option<Box<Thin>>);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Nested {
    Leaf,
    Node(Box<Nested>),
}
