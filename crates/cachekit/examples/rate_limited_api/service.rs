//! The API: what its requests cost, whose they are, and what is given back.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Extension, Path, State},
    http::{HeaderMap, HeaderName, Method, StatusCode},
    routing::get,
};
use cachekit::{
    CacheKit, Decision, Error, Limit, Limiter, UserId,
    limits::{
        Outage,
        http::{RateLimitLayer, SubjectOf},
    },
};

/// The routes below `/analyses` are limited by user, `/login` by address.
///
/// # Errors
/// None that a limit of these numbers has.
pub(super) fn app(kit: &CacheKit) -> Result<Router, Error> {
    let limiter = per_user(kit)?;
    // A gateway has authenticated the user, and sets the header. Starting an analysis costs as much as five looks.
    let by_user = SubjectOf::header(HeaderName::from_static("x-user-id"));
    let layer = RateLimitLayer::new(limiter.clone(), by_user)
        .cost(|head| if head.method == Method::POST { 5 } else { 1 });
    let analyses = Router::new()
        .route("/analyses", get(list))
        .route("/analyses/{name}", get(list).post(start))
        .layer(layer)
        .with_state(limiter);

    let attempts = Limit::sliding_log(3, Duration::from_secs(60))?.named("logins")?;
    let by_address = SubjectOf::peer(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
    let login = Router::new()
        .route("/login", get(|| async { "welcome" }))
        .layer(RateLimitLayer::new(kit.limiter(attempts), by_address));
    Ok(analyses.merge(login))
}

/// Ten units at once and ten a minute from then on, and a hundred a day. While the store is away, each of the service's four
/// processes keeps to its share.
fn per_user(kit: &CacheKit) -> Result<Limiter, Error> {
    let burst = Limit::token_bucket(10, Duration::from_secs(60))?.named("burst")?;
    kit.limiter_of(vec![burst, Limit::daily(100)?])?
        .in_outage(Outage::Local { processes: 4 })
}

async fn list() -> &'static str {
    "[]"
}

/// Starts an analysis. What could not be started costs nothing.
async fn start(
    State(limiter): State<Limiter>,
    Extension(decision): Extension<Decision>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> StatusCode {
    if name != "broken" {
        return StatusCode::ACCEPTED;
    }
    let user = headers.get("x-user-id").and_then(|id| id.to_str().ok());
    if let Some(Ok(user)) = user.map(UserId::new) {
        // If it fails the units stay taken: the answer is the same.
        let _ = limiter.refund(&user, &decision).await;
    }
    StatusCode::UNPROCESSABLE_ENTITY
}
