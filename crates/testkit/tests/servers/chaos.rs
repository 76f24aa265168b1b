//! The proxy that plays a bad network, before servers of a few lines and before a real one.

use std::{io, time::Duration};

use cachekit_testkit::{
    RawClient, RawReply,
    chaos::Proxy,
    server::{Kind, SharedServer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::Outcome;

/// Longer than anything takes that is going to happen.
const SOON: Duration = Duration::from_secs(5);
/// Long enough to show that something does not happen, wherever it would have at once.
const A_WHILE: Duration = Duration::from_millis(50);

/// A client, the proxy, the server's end of the client's connection, and where the server listens.
async fn connected() -> io::Result<(TcpStream, Proxy, TcpStream, TcpListener)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = Proxy::start(&listener.local_addr()?.to_string()).await?;
    let client = TcpStream::connect(proxy.address()).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, proxy, server, listener))
}

async fn read(stream: &mut TcpStream, len: usize) -> io::Result<String> {
    let mut bytes = vec![0; len];
    timeout(SOON, stream.read_exact(&mut bytes)).await??;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a peer of a cut connection sees.
async fn assert_reset(stream: &mut TcpStream) {
    let outcome = timeout(SOON, stream.read_u8()).await.expect("an end");
    let error = outcome.expect_err("no byte comes");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
}

#[tokio::test]
async fn bytes_pass_both_ways_and_an_orderly_end_too() -> Outcome {
    let (mut client, proxy, mut server, _listener) = connected().await?;
    client.write_all(b"request").await?;
    assert_eq!(read(&mut server, 7).await?, "request");
    client.shutdown().await?;
    assert_eq!(server.read(&mut [0]).await?, 0, "the request has ended");
    server.write_all(b"reply").await?;
    assert_eq!(read(&mut client, 5).await?, "reply");
    assert_eq!(proxy.open_connections(), 1);
    drop(server);
    assert_eq!(client.read(&mut [0]).await?, 0, "an end and no error");
    Ok(())
}

#[tokio::test]
async fn a_delay_is_added_each_way_and_much_data_is_not_delayed_much_more() -> Outcome {
    let (mut client, proxy, mut server, _listener) = connected().await?;
    let (there, back) = (Duration::from_millis(40), Duration::from_millis(80));
    proxy.delay(there, back);
    let start = Instant::now();
    client.write_all(b"request").await?;
    read(&mut server, 7).await?;
    assert!(start.elapsed() >= there);
    let len = 4 << 20;
    let reply = tokio::spawn(async move { server.write_all(&vec![b'x'; len]).await });
    read(&mut client, len).await?;
    let took = start.elapsed();
    assert!(took >= there + back);
    // 256 chunks or more, which one after the other would take twenty seconds.
    assert!(took < SOON, "{took:?}");
    reply.await??;
    Ok(())
}

#[tokio::test]
async fn a_stalled_proxy_takes_connections_and_bytes_and_delivers_them_later() -> Outcome {
    let (mut client, proxy, mut server, _listener) = connected().await?;
    proxy.stall();
    client.write_all(b"request").await?;
    TcpStream::connect(proxy.address()).await?;
    let nothing = timeout(A_WHILE, server.read_u8()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    proxy.pass();
    assert_eq!(read(&mut server, 7).await?, "request");
    Ok(())
}

#[tokio::test]
async fn a_cut_ends_all_connections_that_are_open_and_no_later_ones() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = Proxy::start(&listener.local_addr()?.to_string()).await?;
    let mut clients = Vec::new();
    let mut servers = Vec::new();
    for _ in 0..3 {
        clients.push(TcpStream::connect(proxy.address()).await?);
        servers.push(listener.accept().await?.0);
    }
    assert_eq!(proxy.open_connections(), 3);
    proxy.cut();
    for client in &mut clients {
        assert_reset(client).await;
    }
    let mut later = TcpStream::connect(proxy.address()).await?;
    let (mut server, _) = listener.accept().await?;
    server.write_all(b"reply").await?;
    assert_eq!(read(&mut later, 5).await?, "reply");
    assert_eq!(
        (proxy.open_connections(), proxy.accepted_connections()),
        (1, 4)
    );
    Ok(())
}

#[tokio::test]
async fn a_refusing_proxy_turns_new_connections_away_and_leaves_the_others() -> Outcome {
    let (mut client, proxy, mut server, _listener) = connected().await?;
    proxy.refuse();
    // The reset may come before the connection is reported as made.
    match TcpStream::connect(proxy.address()).await {
        Ok(mut refused) => assert_reset(&mut refused).await,
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
    client.write_all(b"request").await?;
    assert_eq!(read(&mut server, 7).await?, "request");
    proxy.pass();
    let mut later = TcpStream::connect(proxy.address()).await?;
    later.write_all(b"x").await?;
    let nothing = timeout(A_WHILE, later.read_u8()).await;
    assert!(nothing.is_err(), "it stays open: {nothing:?}");
    Ok(())
}

#[tokio::test]
async fn without_a_server_a_connection_is_reset() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = listener.local_addr()?.to_string();
    drop(listener);
    let proxy = Proxy::start(&upstream).await?;
    assert_reset(&mut TcpStream::connect(proxy.address()).await?).await;
    Ok(())
}

#[tokio::test]
async fn dropping_the_proxy_ends_its_connections_and_its_port() -> Outcome {
    let (mut client, proxy, _server, _listener) = connected().await?;
    let address = proxy.address();
    drop(proxy);
    let end = timeout(SOON, client.read(&mut [0])).await?;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let deadline = Instant::now() + SOON;
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline, "the port is still open");
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// A real server with a proxy before it, a client that goes around it, and a key of the test's own.
struct BeforeRedis {
    proxy: Proxy,
    direct: RawClient,
    key: String,
    _server: SharedServer,
}

async fn before_redis() -> Result<Option<BeforeRedis>, Box<dyn std::error::Error>> {
    let Some(server) = SharedServer::of(Kind::Redis7).await? else {
        return Ok(None);
    };
    Ok(Some(BeforeRedis {
        proxy: Proxy::start(server.url()).await?,
        direct: RawClient::connect(server.url())?,
        key: format!("chaos:{:016x}", fastrand::u64(..)),
        _server: server,
    }))
}

impl BeforeRedis {
    /// Through the proxy. The client blocks, and the proxy must run meanwhile.
    async fn increment(&self) -> io::Result<RawReply> {
        let (url, key) = (self.proxy.url(), self.key.clone());
        let call = move || RawClient::connect(&url)?.text(&["INCRBY", &key, "1"]);
        tokio::task::spawn_blocking(call).await?
    }
}

#[tokio::test]
async fn a_reply_is_withheld_after_the_server_has_carried_the_request_out() -> Outcome {
    let Some(mut redis) = before_redis().await? else {
        return Ok(());
    };
    let cut = redis.proxy.cut_at_reply(&redis.key);
    let error = redis.increment().await;
    error.expect_err("the connection ends before the reply");
    timeout(SOON, cut.happened()).await?;
    let value = redis.direct.text(&["GETDEL", &redis.key])?;
    assert_eq!(value, RawReply::Bytes(Some(b"1".to_vec())));
    assert_eq!(redis.increment().await?, RawReply::Integer(1));
    redis.direct.text(&["DEL", &redis.key])?;
    Ok(())
}

#[tokio::test]
async fn a_request_is_cut_off_before_the_server_sees_it() -> Outcome {
    let Some(mut redis) = before_redis().await? else {
        return Ok(());
    };
    let cut = redis.proxy.cut_at_request(&redis.key);
    let error = redis.increment().await;
    error.expect_err("the connection ends at the request");
    timeout(SOON, cut.happened()).await?;
    assert_eq!(
        redis.direct.text(&["EXISTS", &redis.key])?,
        RawReply::Integer(0)
    );
    Ok(())
}

#[tokio::test]
async fn a_trap_lets_other_requests_pass_and_can_be_taken_away() -> Outcome {
    let Some(mut redis) = before_redis().await? else {
        return Ok(());
    };
    let _unsprung = redis.proxy.cut_at_reply("another key altogether");
    assert_eq!(redis.increment().await?, RawReply::Integer(1));
    let _taken_away = redis.proxy.cut_at_reply(&redis.key);
    redis.proxy.pass();
    assert_eq!(redis.increment().await?, RawReply::Integer(2));
    redis.direct.text(&["DEL", &redis.key])?;
    Ok(())
}
