//! Clusters.

use std::time::{Duration, Instant};

use cachekit_keys::Key;
use cachekit_testkit::{
    RawClient, RawReply,
    server::{ClusterServer, Kind, ServerError, ping},
};

use crate::Outcome;

/// Asks one node, on a connection of its own, as a client does that knows nothing of clusters.
fn ask(cluster: &ClusterServer, node: usize, command: &[&str]) -> std::io::Result<RawReply> {
    RawClient::connect(&cluster.node_url(node))?.text(command)
}

fn slot(key: &str) -> u16 {
    Key::from_raw(key.to_owned())
        .expect("an ordinary key")
        .slot()
}

fn ok() -> RawReply {
    RawReply::Status("OK".to_owned())
}

/// Where an error reply sends its client: `MOVED 42 HOST:PORT`.
fn redirection(reply: &RawReply) -> Option<(&str, &str)> {
    let RawReply::Error(text) = reply else {
        return None;
    };
    let mut words = text.split(' ');
    Some((words.next()?, words.nth(1)?))
}

async fn serves_every_slot(kind: Kind) -> Outcome {
    let Some(cluster) = ClusterServer::start(kind).await? else {
        return Ok(());
    };
    assert_eq!(cluster.node_count(), 3);
    for (slot, owner) in [
        (0, 0),
        (5_460, 0),
        (5_461, 1),
        (10_921, 1),
        (10_922, 2),
        (16_383, 2),
    ] {
        assert_eq!(cluster.node_of_slot(slot).await?, owner, "slot {slot}");
    }
    let owner = cluster.node_of_slot(slot("a")).await?;
    assert_eq!(ask(&cluster, owner, &["SET", "a", "1"])?, ok());
    let stranger = (owner + 1) % 3;
    let reply = ask(&cluster, stranger, &["GET", "a"])?;
    let expected = cluster.node_url(owner).replace("redis://", "");
    let expected = expected.trim_end_matches('/');
    assert_eq!(redirection(&reply), Some(("MOVED", expected)));
    Ok(())
}

#[tokio::test]
async fn redis_7_serves_every_slot_and_redirects_to_addresses_that_lead_somewhere() -> Outcome {
    serves_every_slot(Kind::Redis7).await
}

#[tokio::test]
async fn valkey_8_serves_every_slot_and_redirects_to_addresses_that_lead_somewhere() -> Outcome {
    serves_every_slot(Kind::Valkey8).await
}

#[tokio::test]
async fn the_url_names_every_node() -> Outcome {
    let Some(cluster) = ClusterServer::start_with(Kind::Redis7, 1, 1, &[]).await? else {
        return Ok(());
    };
    let host = cluster.host();
    let expected = format!(
        "redis+cluster://{host}:{},{host}:{}",
        cluster.port(0),
        cluster.port(1)
    );
    assert_eq!(cluster.url(), expected);
    assert_eq!(cluster.replicas_of(0), 1..2);
    Ok(())
}

#[tokio::test]
async fn a_replica_takes_over_from_a_killed_master_which_comes_back_as_its_replica() -> Outcome {
    let Some(mut cluster) = ClusterServer::start_with(Kind::Redis7, 3, 1, &[]).await? else {
        return Ok(());
    };
    let master = cluster.node_of_slot(slot("a")).await?;
    let replica = cluster.replicas_of(master).start;
    let mut client = RawClient::connect(&cluster.node_url(master))?;
    assert_eq!(client.text(&["SET", "a", "1"])?, ok());
    let copies = client.text(&["WAIT", "1", "5000"])?;
    assert_eq!(copies, RawReply::Integer(1), "the replica has the value");
    cluster.kill(master).await?;
    cluster.wait_until_ok().await?;
    assert_eq!(cluster.node_of_slot(slot("a")).await?, replica);
    let value = RawReply::Bytes(Some(b"1".to_vec()));
    assert_eq!(ask(&cluster, replica, &["GET", "a"])?, value);

    cluster.restart(master).await?;
    cluster.wait_until_ok().await?;
    assert_eq!(cluster.node_of_slot(slot("a")).await?, replica);
    cluster.promote(master).await?;
    assert_eq!(cluster.node_of_slot(slot("a")).await?, master);
    assert_eq!(ask(&cluster, master, &["GET", "a"])?, value);
    Ok(())
}

#[tokio::test]
async fn a_replica_can_be_promoted_at_once_when_its_master_has_ended() -> Outcome {
    let Some(cluster) = ClusterServer::start_with(Kind::Redis7, 3, 1, &[]).await? else {
        return Ok(());
    };
    cluster.stop(0).await?;
    cluster.promote(3).await?;
    assert_eq!(cluster.node_of_slot(0).await?, 3);
    Ok(())
}

#[tokio::test]
async fn the_others_go_on_while_a_node_is_frozen() -> Outcome {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await? else {
        return Ok(());
    };
    cluster.pause(0).await?;
    let error = ping(cluster.host(), cluster.port(0))
        .await
        .expect_err("a frozen node answers nothing");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let frozen = cluster.node_of_slot(0).await?;
    assert_eq!(frozen, 0, "nobody can take over");
    let name = (0..)
        .map(|n| format!("k{n}"))
        .find(|name| slot(name) > 10_922);
    let name = name.expect("some key lies in the last third");
    assert_eq!(ask(&cluster, 2, &["SET", &name, "1"])?, ok());
    cluster.resume(0).await?;
    cluster.wait_until_ok().await?;
    assert_eq!(ping(cluster.host(), cluster.port(0)).await?, "+PONG");
    Ok(())
}

#[tokio::test]
async fn a_slot_on_the_move_is_asked_for_and_a_moved_one_has_moved_with_its_keys() -> Outcome {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await? else {
        return Ok(());
    };
    let (here, elsewhere) = ("{tag}here", "{tag}elsewhere");
    let from = cluster.node_of_slot(slot(here)).await?;
    let to = (from + 1) % 3;
    let there = cluster.node_url(to).replace("redis://", "");
    let there = there.trim_end_matches('/');
    assert_eq!(ask(&cluster, from, &["SET", here, "1"])?, ok());

    cluster.begin_move(slot(here), to).await?;
    let value = RawReply::Bytes(Some(b"1".to_vec()));
    assert_eq!(ask(&cluster, from, &["GET", here])?, value);
    let reply = ask(&cluster, from, &["GET", elsewhere])?;
    assert_eq!(redirection(&reply), Some(("ASK", there)));

    cluster.finish_move(slot(here), to).await?;
    assert_eq!(cluster.node_of_slot(slot(here)).await?, to);
    assert_eq!(ask(&cluster, to, &["GET", here])?, value);
    let reply = ask(&cluster, from, &["GET", here])?;
    assert_eq!(redirection(&reply), Some(("MOVED", there)));
    Ok(())
}

#[tokio::test]
async fn a_dropped_cluster_is_gone() -> Outcome {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await? else {
        return Ok(());
    };
    let host = cluster.host().to_owned();
    let ports: Vec<u16> = (0..3).map(|node| cluster.port(node)).collect();
    drop(cluster);
    let deadline = Instant::now() + Duration::from_secs(5);
    for port in ports {
        while ping(&host, port).await.is_ok() {
            assert!(Instant::now() < deadline, "port {port} still answers");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn arguments_that_the_nodes_refuse_are_an_error_that_says_so() -> Outcome {
    match ClusterServer::start_with(Kind::Redis7, 1, 0, &["--no-such-option", "1"]).await {
        Ok(None) | Err(ServerError::Required { .. }) => Ok(()),
        Err(ServerError::NotReady { log, .. }) => {
            assert!(log.contains("no-such-option"), "{log}");
            Ok(())
        }
        other => panic!("{other:?}"),
    }
}
