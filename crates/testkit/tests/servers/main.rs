//! The launchers on real servers: they start, answer on a bare socket, can be hurt, and end.

mod acl;
mod chaos;
mod cluster;
mod shared;
mod single;
mod tls;

type Failure = Box<dyn std::error::Error>;
type Outcome = Result<(), Failure>;
