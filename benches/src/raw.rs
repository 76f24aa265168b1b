//! The peer: the raw client with the best settings that we know, and a server to measure on.

use cachekit_testkit::server::{Kind, Server};
use redis::{IntoConnectionInfo, aio::MultiplexedConnection};

use crate::Outcome;

/// How the peer is called in the table.
pub(crate) const PEER: &str = "redis crate, multiplexed";

/// A server of its own for a group of rows.
pub(crate) async fn server(arguments: &[&str]) -> Outcome<Server> {
    let server = Server::start_with(Kind::Redis7, arguments).await?;
    server.ok_or_else(|| "no server to measure against".into())
}

/// One multiplexed connection, without Nagle's delay and with a queue as long as ours.
pub(crate) async fn connection(url: &str) -> Outcome<MultiplexedConnection> {
    let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
    let info = url.into_connection_info()?.set_tcp_settings(tcp);
    let config = redis::AsyncConnectionConfig::new()
        .set_pipeline_buffer_size(1_024)
        .set_response_timeout(None);
    let client = redis::Client::open(info)?;
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}
