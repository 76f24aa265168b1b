//! A network that misbehaves on demand.
//!
//! [`Proxy`] stands between a client and a server and does what networks do, at the moment that a test chooses: it
//! delays, stalls, cuts, and turns away. Above all it cuts *between* a request and its reply, which is where a client
//! cannot know whether its request was carried out. Nothing in it is left to chance.
//!
//! # Examples
//! ```
//! use cachekit_testkit::chaos::Proxy;
//! use tokio::{io::AsyncReadExt, net::{TcpListener, TcpStream}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = Proxy::start(&server.local_addr()?.to_string()).await?;
//! let mut client = TcpStream::connect(proxy.address()).await?;
//! let _connection = server.accept().await?;
//! proxy.cut();
//! assert!(client.read_u8().await.is_err());
//! # Ok(())
//! # }
//! ```

mod connection;
mod pipe;
mod proxy;
mod settings;
mod trap;

pub use self::{proxy::Proxy, trap::Cut};
