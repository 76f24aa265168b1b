//! The rights that the limits need on a server: those of the kit's list, and no others.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, Namespace};
use cachekit_limits::{InFlightLimiter, Limit, Limiter, Quota, QuotaPlan, Unit};
use cachekit_store::RedisStore;
use cachekit_testkit::server::{Kind, SharedServer, acl::AclUser};

use crate::support::user;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_the_rights_of_the_kit_can_do_everything() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let name = format!("t{:016x}", fastrand::u64(..));
    let account = AclUser::create(server.url(), &[&format!("{name}:*")], &[]).unwrap();
    let builder = RedisStore::builder(server.url());
    let builder = builder.user(account.name(), account.password());
    let store = Arc::new(builder.connect().await.unwrap());
    let schema = KeySchema::plain().with_namespace(Namespace::new(name).unwrap());
    let (user, minute) = (user(), Duration::from_secs(60));

    let limits = vec![
        Limit::token_bucket(5, minute)
            .unwrap()
            .named("a")
            .unwrap()
            .with_penalty(minute)
            .unwrap(),
        Limit::fixed_window(5, minute).unwrap().named("b").unwrap(),
        Limit::sliding_window(5, minute)
            .unwrap()
            .named("c")
            .unwrap(),
        Limit::sliding_log(5, minute).unwrap().named("d").unwrap(),
        Limit::daily(5).unwrap(),
    ];
    let limiter =
        Limiter::all_of(Arc::<RedisStore>::clone(&store), schema.clone(), limits).unwrap();
    let decision = limiter.check(&user, 5).await.unwrap();
    limiter.refund(&user, &decision).await.unwrap();
    assert!(limiter.check(&user, 3).await.unwrap().is_allowed());
    assert!(!limiter.check(&user, 3).await.unwrap().is_allowed());
    limiter.block(&user, minute).await.unwrap();
    limiter.reset(&user).await.unwrap();

    let leases =
        InFlightLimiter::new(Arc::<RedisStore>::clone(&store), schema.clone(), 2, minute).unwrap();
    let lease = leases.acquire(&user, 2).await.unwrap().lease().unwrap();
    assert!(lease.renew().await.unwrap() && lease.release().await.unwrap());

    let quota = Quota::cost(store, schema, QuotaPlan::per(Unit::Day, 5).unwrap()).unwrap();
    assert!(
        quota
            .reserve(&user, "a", 5, minute)
            .await
            .unwrap()
            .is_allowed()
    );
    assert!(quota.extend(&user, "a", minute).await.unwrap());
    let _ = quota.commit(&user, "a", 5).await.unwrap();
}
