//! The launchers on real servers: they start, answer on a bare socket, can be hurt, and end.

mod acl;
mod chaos;
mod cluster;
mod single;
mod tls;

type Outcome = Result<(), Box<dyn std::error::Error>>;
