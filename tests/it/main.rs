//! Scenarios across the crates, on the memory store and on real servers.

mod crash;
mod databases;
mod http_limits;
mod keys_on_a_server;
mod other_languages;
mod outside_crates;
mod tour;
