//! What the compiler is to confirm: limiters can be shared between threads, and their futures sent.

use cachekit_keys::UserId;

use crate::{Decision, Limit, Limiter};

const fn assert_shared<T: Send + Sync + 'static>() {}

fn assert_send<T: Send>(_: T) {}

const _: () = {
    assert_shared::<Decision>();
    assert_shared::<Limit>();
    assert_shared::<Limiter>();
};

#[expect(dead_code, reason = "only type-checked")]
fn futures_are_send(limiter: &Limiter, user: &UserId) {
    assert_send(limiter.check(user, 1));
    assert_send(limiter.check_at_most(user, 1));
    assert_send(limiter.reset(user));
}
