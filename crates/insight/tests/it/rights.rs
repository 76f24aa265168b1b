//! The rights that tracking needs on a server: those of the kit's list, and no others.

use std::sync::Arc;

use cachekit_insight::{HitOptions, HitTracker};
use cachekit_store::RedisStore;
use cachekit_testkit::server::{Kind, SharedServer, acl::AclUser};

use crate::support::{schema, tree};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_the_rights_of_the_kit_can_track_hits() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let account = AclUser::create(server.url(), &["ck:*"], &[]).unwrap();
    let builder = RedisStore::builder(server.url());
    let builder = builder.user(account.name(), account.password());
    let store = Arc::new(builder.connect().await.unwrap());
    let (hits, _) = HitTracker::new(store, schema(), HitOptions::new());
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    assert_eq!(hits.stats().await.unwrap().total_hits, 1);
}
