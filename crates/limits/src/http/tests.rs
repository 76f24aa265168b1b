//! What is answered, and what the fields say.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_keys::{KeySchema, UserId};
use cachekit_store::{Error, ErrorKind, Fault, FaultPlan, FaultRule, Faults, MemoryStore};
use http::{HeaderName, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use super::{ChargedTo, Keyless, RateLimitLayer, SubjectOf, fields::quoted};
use crate::{Decision, Limit, Limiter, Origin, Outage, Period};

const MINUTE: Duration = Duration::from_secs(60);
const USER_ID: HeaderName = HeaderName::from_static("x-user-id");

fn limiter(limits: Vec<Limit>) -> Limiter {
    Limiter::all_of(Arc::new(MemoryStore::new()), KeySchema::plain(), limits).unwrap()
}

fn by_header(limiter: Limiter) -> RateLimitLayer {
    RateLimitLayer::new(limiter, SubjectOf::header(USER_ID))
}

fn request() -> Request<Bytes> {
    let request = Request::builder().header(USER_ID, "user123");
    request.body(Bytes::new()).unwrap()
}

/// The layer's answer, around a service that says `hello` and whether a decision reached it.
async fn answer(layer: &RateLimitLayer, request: Request<Bytes>) -> Response<Bytes> {
    let hello = service_fn(|request: Request<Bytes>| async move {
        let seen = request.extensions().get::<Decision>().is_some();
        let mut response = Response::new(Bytes::from_static(b"hello"));
        let seen = if seen { "1" } else { "0" };
        let charged = request.extensions().get::<ChargedTo>();
        let headers = response.headers_mut();
        headers.insert("x-decided", seen.parse().unwrap());
        if let Some(ChargedTo(user)) = charged {
            headers.insert("x-charged", user.as_encoded().parse().unwrap());
        }
        Ok::<_, Infallible>(response)
    });
    layer.layer(hello).oneshot(request).await.unwrap()
}

fn field<'a>(response: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    Some(response.headers().get(name)?.to_str().unwrap())
}

fn problem(response: &Response<Bytes>) -> Value {
    assert_eq!(
        field(response, "content-type"),
        Some("application/problem+json")
    );
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_passes_tells_how_every_limit_stands() {
    let burst = Limit::token_bucket_refilling(10, 5, Duration::from_secs(1)).unwrap();
    let limits = vec![
        burst.named("burst").unwrap(),
        Limit::fixed_window(100, MINUTE).unwrap(),
        Limit::monthly(1_000).unwrap(),
    ];
    let response = answer(&by_header(limiter(limits)), request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body(), "hello");
    assert_eq!(field(&response, "x-decided"), Some("1"));
    assert_eq!(field(&response, "x-charged"), Some("user123"));
    assert_eq!(
        field(&response, "ratelimit-policy"),
        Some(r#""burst";q=10;w=2, "requests";q=100;w=60, "monthly";q=1000"#)
    );
    let told = field(&response, "ratelimit").unwrap();
    // Nine in two seconds, as that is the rate at which ten flow in; the window ends with the minute.
    assert!(
        told.starts_with(r#""burst";r=9;t=2, "requests";r=99;t=60, "monthly";r=999;t="#),
        "{told}"
    );
    assert!(response.extensions().get::<Decision>().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_told_when_it_passes_and_by_which_limit() {
    let limits = vec![
        Limit::fixed_window(1, MINUTE).unwrap(),
        Limit::sliding_window(100, MINUTE)
            .unwrap()
            .named("wide")
            .unwrap(),
    ];
    let layer = by_header(limiter(limits));
    assert_eq!(answer(&layer, request()).await.status(), StatusCode::OK);
    let denied = answer(&layer, request()).await;
    assert_eq!(denied.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        field(&denied, "x-decided"),
        None,
        "the service was not asked"
    );
    assert_eq!(field(&denied, "retry-after"), Some("60"));
    assert_eq!(
        field(&denied, "ratelimit-policy"),
        Some(r#""requests";q=1;w=60, "wide";q=100;w=60"#)
    );
    assert_eq!(field(&denied, "ratelimit"), Some(r#""requests";r=0;t=60"#));
    assert_eq!(
        problem(&denied),
        json!({
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Request cannot be satisfied as assigned quota has been exceeded",
            "status": 429,
            "violated-policies": ["requests"],
        })
    );
    tokio::time::advance(MINUTE).await;
    assert_eq!(answer(&layer, request()).await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_wait_below_a_second_is_told_as_one_second() {
    let bucket = Limit::token_bucket(10, Duration::from_millis(500)).unwrap();
    let layer = by_header(limiter(vec![bucket])).cost(|_| 10);
    let passed = answer(&layer, request()).await;
    assert_eq!(
        field(&passed, "ratelimit-policy"),
        Some(r#""requests";q=10;w=1"#)
    );
    let denied = answer(&layer, request()).await;
    assert_eq!(field(&denied, "retry-after"), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_request_costs_what_the_service_says() {
    let layer = by_header(limiter(vec![Limit::fixed_window(10, MINUTE).unwrap()]));
    let layer = layer.cost(|head| match head.method {
        Method::POST => 5,
        Method::HEAD => 0,
        _ => 1,
    });
    let mut left = Vec::new();
    for method in [Method::GET, Method::POST, Method::HEAD] {
        let mut request = request();
        *request.method_mut() = method;
        let response = answer(&layer, request).await;
        left.push(field(&response, "ratelimit").unwrap().to_owned());
    }
    assert_eq!(
        left,
        [
            r#""requests";r=9;t=60"#,
            r#""requests";r=4;t=60"#,
            r#""requests";r=4;t=60"#
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_cost_that_never_passes_is_denied_without_a_time() {
    let layer = by_header(limiter(vec![Limit::fixed_window(10, MINUTE).unwrap()])).cost(|_| 11);
    let denied = answer(&layer, request()).await;
    assert_eq!(denied.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(field(&denied, "retry-after"), None);
    assert_eq!(
        field(&denied, "ratelimit-policy"),
        Some(r#""requests";q=10;w=60"#)
    );
    assert_eq!(problem(&denied)["violated-policies"], json!(["requests"]));

    // A subject's own limit is none of the caller's business, and a denial for ever.
    let daily = limiter(vec![Limit::daily(100).unwrap()]);
    let user = UserId::new("user123").unwrap();
    daily.set_limit(&user, Period::Day, 0).await.unwrap();
    let denied = answer(&by_header(daily), request()).await;
    assert_eq!(denied.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(field(&denied, "retry-after"), None);
    assert_eq!(field(&denied, "ratelimit"), Some(r#""daily";r=0"#));
    assert_eq!(
        field(&denied, "ratelimit-policy"),
        Some(r#""daily";q=0;w=86400"#)
    );
}

#[tokio::test(start_paused = true)]
async fn a_penalty_leaves_nothing() {
    let limit = Limit::fixed_window(10, MINUTE).unwrap();
    let limiter = limiter(vec![limit.with_penalty(10 * MINUTE).unwrap()]);
    let user = UserId::new("user123").unwrap();
    limiter.block(&user, 10 * MINUTE).await.unwrap();
    let denied = answer(&by_header(limiter), request()).await;
    assert_eq!(field(&denied, "ratelimit"), Some(r#""requests";r=0;t=600"#));
    assert_eq!(field(&denied, "retry-after"), Some("600"));
}

#[tokio::test(start_paused = true)]
async fn a_limiter_in_shadow_denies_nothing_and_tells_clients_nothing() {
    let limiter = limiter(vec![Limit::fixed_window(1, MINUTE).unwrap()]).in_shadow();
    let layer = by_header(limiter);
    for denied in [false, true, true] {
        let response = answer(&layer, request()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let fields = ["ratelimit", "ratelimit-policy", "retry-after"];
        assert_eq!(fields.map(|name| field(&response, name)), [None; 3]);
        let decision = response.extensions().get::<Decision>().unwrap();
        assert_eq!(decision.is_denied_in_shadow(), denied);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_is_refused_passes_or_shares_a_limit() {
    let limit = Limit::fixed_window(1, MINUTE).unwrap();
    let layer = by_header(limiter(vec![limit]));
    let keyless = || Request::new(Bytes::new());
    let refused = answer(&layer, keyless()).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(problem(&refused)["type"], "about:blank");

    let passing = layer.clone().keyless(Keyless::Pass);
    for _ in 0..3 {
        let passed = answer(&passing, keyless()).await;
        assert_eq!(passed.status(), StatusCode::OK);
        assert_eq!(field(&passed, "ratelimit"), None);
        assert_eq!(field(&passed, "x-decided"), Some("0"));
    }

    let anonymous = UserId::new("anonymous").unwrap();
    let sharing = layer.keyless(Keyless::Share(anonymous));
    assert_eq!(answer(&sharing, keyless()).await.status(), StatusCode::OK);
    let second = answer(&sharing, keyless()).await;
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer(&sharing, request()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn layers_around_one_service_add_their_limits() {
    let outer = by_header(limiter(vec![Limit::fixed_window(10, MINUTE).unwrap()]));
    let inner = Limit::daily(100).unwrap();
    let inner = by_header(limiter(vec![inner]));
    let hello =
        service_fn(|_: Request<Bytes>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let service = outer.layer(inner.layer(hello));
    let response = service.oneshot(request()).await.unwrap();
    let policies: Vec<_> = response
        .headers()
        .get_all("ratelimit-policy")
        .iter()
        .collect();
    assert_eq!(
        policies,
        [r#""daily";q=100;w=86400"#, r#""requests";q=10;w=60"#]
    );
}

fn failing(kind: ErrorKind) -> Limiter {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::LoseRequest(kind)));
    let store = Faults::new(Arc::new(MemoryStore::new()), &plan);
    Limiter::new(
        Arc::new(store),
        KeySchema::plain(),
        Limit::daily(10).unwrap(),
    )
}

#[tokio::test]
async fn while_the_store_is_away_the_limits_own_policy_answers() {
    let without = answer(&by_header(failing(ErrorKind::Unavailable)), request()).await;
    assert_eq!(without.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(field(&without, "retry-after"), Some("1"));
    assert_eq!(field(&without, "ratelimit"), None);
    let error = without.extensions().get::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let away = || failing(ErrorKind::Unavailable);
    let open = away().in_outage(Outage::Allow).unwrap();
    let open = answer(&by_header(open), request()).await;
    assert_eq!(open.status(), StatusCode::OK);
    assert_eq!(field(&open, "ratelimit"), None, "nobody knows what is left");
    assert!(field(&open, "ratelimit-policy").is_some());

    let retry_after = Duration::from_secs(7);
    let closed = away().in_outage(Outage::Deny { retry_after }).unwrap();
    let closed = answer(&by_header(closed), request()).await;
    assert_eq!(closed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(field(&closed, "retry-after"), Some("7"));
    let kind = problem(&closed)["type"].as_str().unwrap().to_owned();
    assert!(kind.ends_with("#temporary-reduced-capacity"), "{kind}");

    let local = away().in_outage(Outage::Local { processes: 10 }).unwrap();
    let layer = by_header(local);
    let first = answer(&layer, request()).await;
    assert_eq!(first.status(), StatusCode::OK);
    let origin = first.extensions().get::<Decision>().unwrap().origin();
    assert_eq!(origin, Origin::Local);
    let second = answer(&layer, request()).await;
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn what_no_repetition_mends_is_an_error_of_the_server() {
    let limiter = failing(ErrorKind::PermissionDenied);
    let limiter = limiter.in_outage(Outage::Allow).unwrap();
    let response = answer(&by_header(limiter), request()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(problem(&response)["type"], "about:blank");
    assert_eq!(field(&response, "retry-after"), None);
}

#[test]
fn names_are_strings_of_structured_fields() {
    assert_eq!(quoted("requests"), r#""requests""#);
    assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    assert_eq!(quoted("größe\r\n"), r#""gr%C3%B6%C3%9Fe%0D%0A""#);
}

#[tokio::test]
async fn numbers_stay_in_the_range_of_structured_fields() {
    let limit = Limit::fixed_window(1 << 52, MINUTE).unwrap();
    let response = answer(&by_header(limiter(vec![limit])), request()).await;
    let most = "999999999999999";
    assert_eq!(
        field(&response, "ratelimit-policy").unwrap(),
        format!("\"requests\";q={most};w=60")
    );
    assert_eq!(
        field(&response, "ratelimit").unwrap(),
        format!("\"requests\";r={most};t=60")
    );
}

fn found(subject: &SubjectOf, request: http::request::Builder) -> Option<String> {
    let (head, ()) = request.body(()).unwrap().into_parts();
    subject.find(&head).map(|id| id.decoded().into_owned())
}

#[test]
fn a_header_is_a_key_if_it_is_one_id() {
    let subject = SubjectOf::header(USER_ID);
    let with = |value: &str| found(&subject, Request::builder().header(USER_ID, value));
    assert_eq!(with(" user:1:* "), Some("user:1:*".to_owned()));
    assert_eq!(with(""), None);
    assert_eq!(with(&"x".repeat(300)), None);
    let two = Request::builder().header(USER_ID, "a").header(USER_ID, "b");
    assert_eq!(found(&subject, two), None);
    let bytes = http::HeaderValue::from_bytes(b"\xff").unwrap();
    assert_eq!(
        found(&subject, Request::builder().header(USER_ID, bytes)),
        None
    );
    assert_eq!(found(&subject, Request::builder()), None);
}

#[test]
fn secrets_are_hashed_however_long_they_are() {
    let subject = SubjectOf::secret_header(http::header::AUTHORIZATION);
    let secret = "s".repeat(4_000);
    let request = Request::builder().header("authorization", &secret);
    let hash = found(&subject, request).unwrap();
    assert_eq!(hash.len(), 64);
}

#[test]
fn addresses_of_one_customer_are_one_subject() {
    let subject = SubjectOf::peer(|peer: &SocketAddr| peer.ip());
    let of = |address: &str| {
        let peer: SocketAddr = address.parse().unwrap();
        found(&subject, Request::builder().extension(peer)).unwrap()
    };
    assert_eq!(of("203.0.113.7:1"), "203.0.113.7");
    assert_eq!(of("[::ffff:203.0.113.7]:1"), "203.0.113.7");
    assert_eq!(of("[2001:db8:1:2:3::4]:1"), "2001:db8:1:2::");
    assert_eq!(of("[2001:db8:1:2:ffff::1]:2"), "2001:db8:1:2::");
    assert_eq!(found(&subject, Request::builder()), None);
}
