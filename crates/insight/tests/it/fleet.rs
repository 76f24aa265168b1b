//! Many processes count at once, and their numbers add up exactly.

use cachekit_insight::HitRange;
use cachekit_keys::{SessionId, SessionKey};
use tokio::task::JoinSet;

use crate::support::{process, schema, servers, tree};

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_two_stores_add_up_exactly() {
    for server in servers().await {
        let schema = schema();
        let session = SessionKey::code_snippet(SessionId::new("abc").unwrap());
        let one = process(server.url(), &schema).await;
        let other = process(server.url(), &schema).await;
        for round in 0..20 {
            for _ in 0..=round {
                one.track_hit(&tree());
                other.track_hit(&session);
            }
            other.track_miss(&tree());
            one.flush().await.unwrap();
            other.flush().await.unwrap();
        }
        let reader = process(server.url(), &schema).await;
        let stats = reader.stats().await.unwrap();
        assert_eq!((stats.total_hits, stats.total_misses), (420, 20));
        assert_eq!(stats.families["project"].hit_rate(), Some(210.0 / 230.0));
        assert_eq!(stats.families["session"].hits, 210);
        let all = reader.stats_of(HitRange::all()).await.unwrap();
        assert_eq!(all.total_requests, 440);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_count_and_flush_at_once_lose_nothing_and_count_nothing_twice() {
    for server in servers().await {
        let schema = schema();
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let process = process(server.url(), &schema).await;
            for _ in 0..4 {
                let process = process.clone();
                tasks.spawn(async move {
                    for number in 0..250 {
                        process.track_hit(&tree());
                        if number % 10 == 0 {
                            process.flush().await.unwrap();
                        }
                    }
                    process.flush().await.unwrap();
                });
            }
        }
        tasks.join_all().await;
        let reader = process(server.url(), &schema).await;
        assert_eq!(reader.stats().await.unwrap().total_hits, 4_000);
    }
}
