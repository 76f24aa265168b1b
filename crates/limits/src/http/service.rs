//! The service that a layer makes of another.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use cachekit_keys::UserId;
use http::{Request, Response, request::Parts};
use tower_service::Service;

use super::{ChargedTo, Keyless, RateLimitLayer, answer, fields};
use crate::Decision;

/// A service whose requests are limited; see [`RateLimitLayer`].
///
/// Its response bodies are those of the service within, which must be made from bytes, as axum's body can: the answers to what
/// is denied are such bodies.
///
/// # Examples
/// See the [module](super).
#[derive(Clone, Debug)]
pub struct RateLimitService<S> {
    inner: S,
    layer: Arc<RateLimitLayer>,
}

impl<S> RateLimitService<S> {
    pub(super) fn new(inner: S, layer: RateLimitLayer) -> Self {
        let layer = Arc::new(layer);
        Self { inner, layer }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RateLimitService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
    ResBody: From<Bytes>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The one that is ready goes along, its clone need not be.
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        let layer = Arc::clone(&self.layer);
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            match layer.verdict(&head).await {
                Verdict::Answer(answer) => Ok(answer.map(ResBody::from)),
                Verdict::Pass(None) => ready.call(Request::from_parts(head, body)).await,
                Verdict::Pass(Some((subject, decision))) => {
                    head.extensions.insert(ChargedTo(subject));
                    head.extensions.insert(decision.clone());
                    let mut response = ready.call(Request::from_parts(head, body)).await?;
                    fields::add(response.headers_mut(), &layer.limiter, &decision);
                    response.extensions_mut().insert(decision);
                    Ok(response)
                }
            }
        })
    }
}

/// Whether a request goes on.
enum Verdict {
    Pass(Option<(UserId, Decision)>),
    Answer(Response<Bytes>),
}

impl RateLimitLayer {
    async fn verdict(&self, head: &Parts) -> Verdict {
        let subject = match (self.subject.find(head), &self.keyless) {
            (Some(subject), _) => subject,
            (None, Keyless::Share(subject)) => subject.clone(),
            (None, Keyless::Pass) => return Verdict::Pass(None),
            (None, Keyless::Refuse) => return Verdict::Answer(answer::keyless()),
        };
        let cost = self.cost.as_ref().map_or(1, |cost| cost(head));
        match self.limiter.check(&subject, cost).await {
            Ok(decision) if decision.is_allowed() => Verdict::Pass(Some((subject, decision))),
            Ok(decision) => Verdict::Answer(answer::denied(&self.limiter, decision)),
            Err(error) => Verdict::Answer(answer::failed(&self.limiter, cost, error)),
        }
    }
}
