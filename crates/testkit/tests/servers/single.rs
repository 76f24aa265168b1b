//! Single servers.

use cachekit_testkit::server::{Choice, Kind, Server, ServerError, Source, ping};

use crate::Outcome;

async fn answers_ping(kind: Kind) -> Result<Option<Server>, Box<dyn std::error::Error>> {
    let Some(server) = Server::start(kind).await? else {
        return Ok(None);
    };
    assert_eq!(ping(server.host(), server.port()).await?, "+PONG");
    Ok(Some(server))
}

#[tokio::test]
async fn redis_7_answers_ping_and_a_container_is_used_where_an_engine_has_the_image() -> Outcome {
    let Some(server) = answers_ping(Kind::Redis7).await? else {
        return Ok(());
    };
    let from_docker = matches!(
        Choice::of_process().await.source(Kind::Redis7),
        Source::Docker(_)
    );
    assert_eq!(server.pid().is_none(), from_docker);
    Ok(())
}

#[tokio::test]
async fn redis_8_answers_ping() -> Outcome {
    answers_ping(Kind::Redis8).await.map(drop)
}

#[tokio::test]
async fn valkey_8_answers_ping() -> Outcome {
    answers_ping(Kind::Valkey8).await.map(drop)
}

#[tokio::test]
async fn further_arguments_win_over_the_defaults() -> Outcome {
    let Some(server) = Server::start_with(Kind::Redis7, &["--requirepass", "secret"]).await? else {
        return Ok(());
    };
    assert!(
        ping(server.host(), server.port())
            .await?
            .starts_with("-NOAUTH")
    );
    Ok(())
}

#[tokio::test]
async fn a_paused_server_answers_again_once_resumed() -> Outcome {
    let Some(server) = Server::start(Kind::Redis7).await? else {
        return Ok(());
    };
    server.pause().await?;
    let error = ping(server.host(), server.port())
        .await
        .expect_err("a paused server answers nothing");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    server.resume().await?;
    assert_eq!(ping(server.host(), server.port()).await?, "+PONG");
    Ok(())
}

#[tokio::test]
async fn a_killed_server_comes_back_on_the_same_port() -> Outcome {
    let Some(mut server) = Server::start(Kind::Redis7).await? else {
        return Ok(());
    };
    let url = server.url();
    server.kill().await?;
    assert!(ping(server.host(), server.port()).await.is_err());
    server.restart().await?;
    assert_eq!(ping(server.host(), server.port()).await?, "+PONG");
    assert_eq!(server.url(), url);
    Ok(())
}

#[tokio::test]
async fn a_dropped_server_is_gone() -> Outcome {
    let Some(server) = Server::start(Kind::Redis7).await? else {
        return Ok(());
    };
    let (host, port) = (server.host().to_owned(), server.port());
    drop(server);
    // A container is removed by the drop itself; a process a moment later, by its holder.
    for _ in 0..200 {
        if ping(&host, port).await.is_err() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the server still answers after two seconds");
}

#[tokio::test]
async fn arguments_that_the_server_refuses_are_an_error_and_not_a_skip() {
    let started = Server::start_with(Kind::Redis7, &["--no-such-option", "1"]).await;
    match Choice::of_process().await.source(Kind::Redis7) {
        Source::Absent(_) => assert!(matches!(
            started,
            Ok(None) | Err(ServerError::Required { .. })
        )),
        _ => assert!(started.is_err()),
    }
}
