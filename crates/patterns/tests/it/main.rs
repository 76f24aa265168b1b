//! Indices of owners and tags from the outside: in memory, in memory as on a cluster, and on a server.

mod announcements;
mod behind;
mod failures;
mod hooked;
mod indices;
mod interleavings;
mod lifetimes;
mod loading;
mod support;
mod together;
mod warming;
