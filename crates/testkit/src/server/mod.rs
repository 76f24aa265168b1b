//! Real servers for tests: started, described, hurt and ended from a test.
//!
//! [`Server`], [`ClusterServer`] and [`TlsServer`] are servers of the test's own: they may be configured, filled, paused,
//! killed and restarted, and they end with the value. [`SharedServer`] is one that many tests use at once: a test brings a
//! namespace of its own and never sends it `FLUSHALL`, `CONFIG SET` or anything else that others would notice.
//!
//! Where a server comes from is decided once per process, see [`Choice`]: a container (through `testcontainers`) where
//! a Docker engine answers and has an image, else a program on the `PATH`, else it is absent. An absent server is
//! `Ok(None)` and one printed line, unless it was required: then it is an error, so that a run that needed a server
//! never passes without one. A server that was found and does not start is always an error.
//!
//! `cargo xtask test` decides for the whole run and hands the result over in environment variables. `KIND` stands for
//! `REDIS_7`, `REDIS_8` or `VALKEY_8`, and `SERVER` for a kind in one of its forms ([`Deployment`]): `REDIS_7`,
//! `REDIS_7_CLUSTER`, `REDIS_7_TLS` and so on.
//!
//! | variable | meaning |
//! |---|---|
//! | `CACHEKIT_TEST_SOURCE_KIND` | `docker:image:tag`, `local:/path/of/program` or `none:why` |
//! | `CACHEKIT_TEST_URL_SERVER` | the server that the run shares, already started |
//! | `CACHEKIT_TEST_RAW_URL_SERVER` | the same without TLS, where it has TLS |
//! | `CACHEKIT_TEST_CERTIFICATES_SERVER` | the folder with its certificates, see [`Certificates::read`] |
//! | `CACHEKIT_TEST_RUN` | label of the run's containers, by which they are swept away at the end |
//! | `CACHEKIT_TEST_LOG` | file that takes one line for each use of a server and for each absence: `used SERVER TEST`, `skipped WHAT TEST` |
//! | `CACHEKIT_REQUIRE_SERVERS` | `1` requires any server, a list such as `redis-7,valkey-8,redis-7-cluster` requires exactly those, and an unknown name is an error; `CI` counts as `1` |
//!
//! Nothing outlives its test for long. A local server ends when the process that started it ends, in whatever way; a
//! container ends with its handle, or, if the process was killed, after [`MAX_LIFETIME`].
//!
//! # Examples
//! ```no_run
//! use cachekit_testkit::server::{Kind, Server};
//!
//! # async fn example() -> Result<(), cachekit_testkit::server::ServerError> {
//! if let Some(server) = Server::start_with(Kind::Redis7, &["--maxmemory", "8mb"]).await? {
//!     println!("{}", server.url());
//!     server.pause().await?;
//!     server.resume().await?;
//! }
//! # Ok(())
//! # }
//! ```

pub mod acl;
mod choice;
mod cluster;
mod deployment;
mod docker;
mod error;
mod group;
mod handle;
mod kind;
mod local;
mod log;
mod ping;
mod shared;
mod tls;

pub use choice::{Choice, Source};
pub use cluster::ClusterServer;
pub use deployment::{Deployment, Form};
pub use docker::MAX_LIFETIME;
pub use error::ServerError;
pub use handle::Server;
pub use kind::Kind;
pub use log::skipped;
pub use ping::ping;
pub use shared::SharedServer;
pub use tls::{Certificates, ClientAuth, TlsServer};
