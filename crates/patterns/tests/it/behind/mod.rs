//! Queues of unpersisted writes on the memory store, a server and a cluster, in real time.

mod clocks;
mod crashes;
mod full;
mod life;
mod nodes;
mod support;
mod together;
