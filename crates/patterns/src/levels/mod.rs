//! The three levels: values of any type under names chosen per call.
//!
//! The levels differ in whose the names are, how long entries live, and what can be cleared. Everything else is one type,
//! [`LevelCache`], and the levels are what it is made for.

mod builder;
mod caches;
mod engines;
mod global;
mod handle;
mod loading;
#[cfg(test)]
mod loading_tests;
mod project;
mod scope;
mod session;
#[cfg(test)]
mod tests;
mod writing;

pub use self::{
    builder::LevelCachesBuilder,
    caches::LevelCaches,
    global::GlobalCache,
    handle::LevelCache,
    project::ProjectCache,
    scope::{GlobalScope, Scope},
    session::SessionCache,
};
