//! Units that processes take ahead: windows never let more pass than they say, other limits no more than was leased, and what is
//! not used goes back.

use std::{collections::HashMap, sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, Namespace};
use cachekit_limits::{Decision, Leasing, Limit, Limiter, Origin, Period};
use cachekit_store::{
    ErrorKind, Fault, FaultPlan, FaultRule, Faults, MemoryStore, RedisStore, Store, Tasks,
};
use cachekit_testkit::server::{Kind, SharedServer};
use fastrand::Rng;
use tokio::time::{Instant, advance};

use crate::support::{START, at, paused, user};

const PROCESSES: usize = 8;
const SECOND: Duration = Duration::from_secs(1);

fn memory() -> MemoryStore {
    let store = MemoryStore::new();
    store.set_wall_clock(at(START));
    store
}

fn limiter(store: impl Store + 'static, limit: Limit) -> Limiter {
    Limiter::new(Arc::new(store), KeySchema::plain(), limit)
}

/// As many limiters on one store, each with leases of its own, as processes have.
fn processes(store: &MemoryStore, limit: &Limit, leasing: Leasing, tasks: &Tasks) -> Vec<Limiter> {
    let process = |_| {
        limiter(store.clone(), limit.clone())
            .leased(leasing, tasks)
            .unwrap()
    };
    (0..PROCESSES).map(process).collect()
}

/// Asks all in turn until each is denied; answers how much passed.
async fn spend_all(processes: &[Limiter]) -> u64 {
    let mut taken = 0;
    for process in processes {
        while process.check(&user(), 1).await.unwrap().is_allowed() {
            taken += 1;
        }
    }
    taken
}

#[test]
fn windows_never_let_more_pass_than_they_say() {
    for seed in 0..12 {
        paused(async move {
            const LIMIT: u64 = 200;
            let width = 4 * SECOND;
            let (store, tasks, mut rng) = (memory(), Tasks::new(), Rng::with_seed(seed));
            let limit = Limit::aligned_window(LIMIT, width).unwrap();
            let leasing = Leasing::up_to(60).lasting(6 * SECOND);
            let processes = processes(&store, &limit, leasing, &tasks);
            let (started, mut passed) = (Instant::now(), HashMap::new());
            for _ in 0..3_000 {
                let process = &processes[rng.usize(..PROCESSES)];
                let decision = process.check(&user(), rng.u64(1..4)).await.unwrap();
                // The window in which it passes, by the server's clock.
                let now = Duration::from_micros(START) + started.elapsed();
                *passed
                    .entry(now.as_micros() / width.as_micros())
                    .or_insert(0) += decision.taken();
                advance(Duration::from_millis(rng.u64(..20))).await;
            }
            assert!(passed.len() > 5);
            for (window, taken) in passed {
                assert!(
                    taken <= LIMIT,
                    "{taken} in window {window} with seed {seed}"
                );
            }
        });
    }
}

/// What passed, and what of it was not given back.
struct Taken {
    window: u128,
    id: String,
    left: u64,
    used_id: bool,
    decision: Decision,
}

impl Taken {
    /// Gives the rest back, or two units by an id, which is repeated and counts once.
    async fn give_back(&mut self, limiter: &Limiter, by_id: bool) {
        let (user, decision) = (user(), &self.decision);
        if !by_id {
            let rest = std::mem::take(&mut self.left);
            limiter.refund_part(&user, decision, rest).await.unwrap();
            return;
        }
        for _ in 0..2 {
            let back = limiter.refund_once(&user, decision, 2, &self.id).await;
            back.unwrap();
        }
        if !std::mem::replace(&mut self.used_id, true) {
            self.left = self.left.saturating_sub(2);
        }
    }
}

/// Whatever is given back, however often and by whichever process: what passed and was not given back is never more than a window
/// says.
#[test]
fn windows_never_let_more_pass_whatever_is_given_back() {
    for seed in 0..20 {
        paused(async move {
            const LIMIT: u64 = 60;
            let width = 4 * SECOND;
            let (store, tasks, mut rng) = (memory(), Tasks::new(), Rng::with_seed(seed));
            let limit = Limit::aligned_window(LIMIT, width).unwrap();
            let leasing = Leasing::up_to(20).lasting(SECOND);
            let processes = processes(&store, &limit, leasing, &tasks);
            let plain = limiter(store.clone(), limit);
            let began = Instant::now();
            let window = || {
                let now = u128::from(START) + began.elapsed().as_micros();
                now / width.as_micros()
            };
            let mut taken: Vec<Taken> = Vec::new();
            for number in 0..400 {
                let process = &processes[rng.usize(..PROCESSES)];
                match rng.u8(..10) {
                    0 => advance(Duration::from_millis(rng.u64(..900))).await,
                    1..=3 if !taken.is_empty() => {
                        let place = rng.usize(..taken.len());
                        let by = if rng.bool() { process } else { &plain };
                        taken[place].give_back(by, rng.bool()).await;
                        if taken[place].left == 0 {
                            drop(taken.swap_remove(place));
                        }
                    }
                    _ => {
                        let cost = rng.u64(1..4);
                        let decision = process.check(&user(), cost).await.unwrap();
                        if decision.is_allowed() {
                            taken.push(Taken {
                                window: window(),
                                id: number.to_string(),
                                left: cost,
                                used_id: false,
                                decision,
                            });
                        }
                    }
                }
                let mut passed = HashMap::new();
                for one in &taken {
                    *passed.entry(one.window).or_insert(0) += one.left;
                }
                let most = passed.values().max().copied().unwrap_or(0);
                assert!(most <= LIMIT, "{most} with seed {seed} after {number}");
            }
        });
    }
}

#[test]
fn other_limits_let_no_more_pass_than_was_leased() {
    const LIMIT: u64 = 500;
    const LEASED: u64 = 30;
    let width = 10 * SECOND;
    for limit in [
        Limit::token_bucket(LIMIT, width).unwrap(),
        Limit::sliding_window(LIMIT, width).unwrap(),
        Limit::sliding_log(LIMIT, width).unwrap(),
    ] {
        paused(async {
            let (store, tasks) = (memory(), Tasks::new());
            let leasing = Leasing::up_to(LEASED).lasting(60 * SECOND);
            let processes = processes(&store, &limit, leasing, &tasks);
            for process in &processes {
                for _ in 0..10 {
                    assert!(process.check(&user(), 1).await.unwrap().is_allowed());
                }
            }
            // All has flowed back, and what is leased is still there.
            advance(2 * width).await;
            let taken = spend_all(&processes).await;
            assert!(taken > LIMIT, "{limit:?} would have been kept anyway");
            let bound = LIMIT + PROCESSES as u64 * LEASED;
            assert!(taken <= bound, "{taken} of {limit:?}");
        });
    }
}

#[test]
fn a_shutdown_returns_what_was_not_used() {
    paused(async {
        for limit in [
            Limit::token_bucket(100, 1_000_000 * SECOND).unwrap(),
            Limit::fixed_window(100, 1_000 * SECOND).unwrap(),
            Limit::sliding_window(100, 1_000_000 * SECOND).unwrap(),
            Limit::sliding_log(100, 1_000 * SECOND).unwrap(),
            Limit::daily(100).unwrap(),
        ] {
            let (store, tasks) = (memory(), Tasks::new());
            let limiter = limiter(store, limit)
                .leased(Leasing::up_to(50), &tasks)
                .unwrap();
            for _ in 0..9 {
                assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
            }
            let used = limiter.status(&user()).await.unwrap().used();
            assert!(used > 9, "{used}");
            let report = tasks.shutdown(SECOND).await;
            assert!(report.cut_off.is_empty());
            assert_eq!(limiter.status(&user()).await.unwrap().used(), 9);
            // It goes on without leases.
            assert_eq!(
                limiter.check(&user(), 1).await.unwrap().origin(),
                Origin::Server
            );
            assert_eq!(limiter.status(&user()).await.unwrap().used(), 10);
        }
    });
}

#[test]
fn what_is_not_used_in_time_goes_back() {
    paused(async {
        let (store, tasks) = (memory(), Tasks::new());
        let limit = Limit::fixed_window(100, 1_000 * SECOND).unwrap();
        let limiter = limiter(store, limit)
            .leased(Leasing::up_to(50), &tasks)
            .unwrap();
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        assert_eq!(limiter.status(&user()).await.unwrap().used(), 8);
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(limiter.status(&user()).await.unwrap().used(), 1);
    });
}

#[test]
fn a_limiter_that_nobody_holds_any_more_returns_its_units() {
    paused(async {
        let (store, tasks) = (memory(), Tasks::new());
        let limit = Limit::fixed_window(100, 1_000 * SECOND).unwrap();
        let plain = limiter(store.clone(), limit.clone());
        let leased = limiter(store, limit)
            .leased(Leasing::up_to(50), &tasks)
            .unwrap();
        assert!(leased.check(&user(), 1).await.unwrap().is_allowed());
        drop(leased);
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(plain.status(&user()).await.unwrap().used(), 1);
    });
}

#[test]
fn a_process_that_dies_takes_its_units_with_it() {
    paused(async {
        let (store, tasks) = (memory(), Tasks::new());
        let limit = Limit::fixed_window(100, 1_000 * SECOND).unwrap();
        let processes = processes(&store, &limit, Leasing::up_to(50), &tasks);
        let dying = limiter(store.clone(), limit).leased(Leasing::up_to(50), &Tasks::new());
        // Its tasks are gone with their only handle, and return nothing.
        let dying = dying.unwrap();
        assert!(dying.check(&user(), 1).await.unwrap().is_allowed());
        drop(dying);
        assert_eq!(spend_all(&processes).await, 92, "seven of eight are lost");
    });
}

#[test]
fn a_lease_grows_with_its_use_and_most_checks_ask_nobody() {
    paused(async {
        let (plan, tasks) = (FaultPlan::new(), Tasks::new());
        let store = Faults::new(Arc::new(memory()), &plan);
        let limit = Limit::fixed_window(1_000_000, 1_000 * SECOND).unwrap();
        let limiter = limiter(store, limit)
            .leased(Leasing::up_to(1_000), &tasks)
            .unwrap();
        let mut here = 0;
        for _ in 0..20_000 {
            let decision = limiter.check(&user(), 1).await.unwrap();
            here += u64::from(decision.origin() == Origin::Lease);
        }
        assert_eq!(here, 20_000);
        assert!((20..=30).contains(&plan.calls()), "{} calls", plan.calls());
    });
}

#[test]
fn a_lease_shrinks_as_little_is_left() {
    paused(async {
        let (store, tasks) = (memory(), Tasks::new());
        let limit = Limit::fixed_window(1_000, 1_000 * SECOND).unwrap();
        let processes = processes(&store, &limit, Leasing::up_to(1_000), &tasks);
        for _ in 0..110 {
            for process in &processes {
                assert!(process.check(&user(), 1).await.unwrap().is_allowed());
            }
        }
    });
}

#[test]
fn a_reset_or_another_limit_drops_what_is_leased() {
    paused(async {
        let (store, tasks) = (memory(), Tasks::new());
        let limit = Limit::daily(100).unwrap();
        let limiter = limiter(store, limit)
            .leased(Leasing::up_to(50), &tasks)
            .unwrap();
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        limiter.reset(&user()).await.unwrap();
        assert_eq!(spend_all(std::slice::from_ref(&limiter)).await, 100);
        limiter.reset(&user()).await.unwrap();
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        limiter.set_limit(&user(), Period::Day, 3).await.unwrap();
        assert!(!limiter.check(&user(), 1).await.unwrap().is_allowed());
    });
}

#[test]
fn what_is_leased_outlasts_an_outage_and_errors_reach_all_who_wait() {
    paused(async {
        let (plan, tasks) = (FaultPlan::new(), Tasks::new());
        let store = Faults::new(Arc::new(memory()), &plan);
        let limit = Limit::fixed_window(100, 1_000 * SECOND).unwrap();
        let limiter = limiter(store, limit)
            .leased(Leasing::up_to(50), &tasks)
            .unwrap();
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        plan.add(FaultRule::new(Fault::Delay(SECOND)));
        plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
        for _ in 0..7 {
            assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        }
        let calls = plan.calls();
        let user = user();
        let (one, other) = tokio::join!(limiter.check(&user, 1), limiter.check(&user, 2));
        for failed in [one.unwrap_err(), other.unwrap_err()] {
            assert_eq!(failed.kind(), ErrorKind::Unavailable);
            assert!(!failed.may_have_applied());
        }
        assert_eq!(plan.calls() - calls, 1);
    });
}

#[test]
fn callers_that_leave_or_are_not_polled_strand_nobody() {
    use futures_util::FutureExt;
    paused(async {
        let (plan, tasks) = (FaultPlan::new(), Tasks::new());
        plan.add(FaultRule::new(Fault::Delay(SECOND)));
        let store = Faults::new(Arc::new(memory()), &plan);
        let limit = Limit::fixed_window(100, 1_000 * SECOND).unwrap();
        let limiter = limiter(store, limit)
            .leased(Leasing::up_to(50), &tasks)
            .unwrap();
        let user = user();
        let mut leaves = Box::pin(limiter.check(&user, 1));
        assert!(leaves.as_mut().now_or_never().is_none());
        let mut stalls = Box::pin(limiter.check(&user, 1));
        assert!(stalls.as_mut().now_or_never().is_none());
        let mut third = Box::pin(limiter.check(&user, 1));
        assert!(third.as_mut().now_or_never().is_none());
        drop(leaves);
        let decision = tokio::time::timeout(60 * SECOND, third).await;
        assert!(decision.expect("not stranded").unwrap().is_allowed());
    });
}

#[test]
fn a_cost_above_the_lease_and_a_subject_too_many_ask_the_store() {
    paused(async {
        let (store, tasks) = (memory(), Tasks::new());
        let limit = Limit::fixed_window(100, 1_000 * SECOND).unwrap();
        let leasing = Leasing::up_to(10).subjects(1);
        let limiter = limiter(store, limit).leased(leasing, &tasks).unwrap();
        let large = limiter.check(&user(), 11).await.unwrap();
        assert_eq!((large.origin(), large.remaining()), (Origin::Server, 89));
        assert_eq!(
            limiter.check(&user(), 10).await.unwrap().origin(),
            Origin::Lease
        );
        let other = cachekit_keys::UserId::new("other").unwrap();
        assert_eq!(
            limiter.check(&other, 1).await.unwrap().origin(),
            Origin::Server
        );
    });
}

#[test]
fn units_of_a_decision_that_came_from_a_lease_go_back_to_it() {
    paused(async {
        let (store, tasks) = (memory(), Tasks::new());
        let limit = Limit::fixed_window(10, 1_000 * SECOND).unwrap();
        let limiter = limiter(store, limit)
            .leased(Leasing::up_to(10), &tasks)
            .unwrap();
        let decision = limiter.check(&user(), 4).await.unwrap();
        assert_eq!(decision.origin(), Origin::Lease);
        let _ = limiter.refund(&user(), &decision).await.unwrap();
        assert_eq!(spend_all(std::slice::from_ref(&limiter)).await, 10);
    });
}

#[test]
fn units_that_go_back_to_a_lease_end_a_remembered_denial() {
    paused(async {
        let (store, tasks) = (memory(), Tasks::new());
        let limit = Limit::fixed_window(10, 1_000 * SECOND).unwrap();
        let limiter = limiter(store, limit)
            .remembering_denials(1_000 * SECOND)
            .leased(Leasing::up_to(10), &tasks)
            .unwrap();
        let decision = limiter.check(&user(), 4).await.unwrap();
        assert_eq!(spend_all(std::slice::from_ref(&limiter)).await, 6);
        let denied = limiter.check(&user(), 1).await.unwrap();
        assert_eq!(denied.origin(), Origin::DenialCache);
        limiter.refund(&user(), &decision).await.unwrap();
        assert_eq!(spend_all(std::slice::from_ref(&limiter)).await, 4);
    });
}

#[test]
fn a_penalty_is_for_leased_units_too() {
    paused(async {
        let (store, tasks) = (memory(), Tasks::new());
        let limit = Limit::fixed_window(10, 1_000 * SECOND).unwrap();
        let plain = limiter(store, limit.with_penalty(60 * SECOND).unwrap());
        let leased = plain.clone().leased(Leasing::up_to(10), &tasks).unwrap();
        assert!(leased.check(&user(), 1).await.unwrap().is_allowed());
        assert!(plain.check(&user(), 2).await.unwrap().is_allowed());
        // Of eight units, seven are here.
        assert!(!leased.check(&user(), 8).await.unwrap().is_allowed());
        let denied = leased.check(&user(), 1).await.unwrap();
        assert!(!denied.is_allowed(), "{denied:?}");
        assert_eq!(denied.binding().blocked_for(), Some(60 * SECOND));
    });
}

#[test]
fn units_whose_lease_is_over_go_back_to_the_store() {
    for limit in [
        Limit::fixed_window(10, 1_000 * SECOND),
        Limit::aligned_window(10, 1_000 * SECOND),
        Limit::daily(10),
    ] {
        paused(async {
            let (store, tasks) = (memory(), Tasks::new());
            let limiter = limiter(store, limit.unwrap());
            let leased = limiter
                .clone()
                .leased(Leasing::up_to(10).lasting(SECOND), &tasks)
                .unwrap();
            let decision = leased.check(&user(), 4).await.unwrap();
            assert_eq!(decision.origin(), Origin::Lease);
            tokio::time::sleep(3 * SECOND).await;
            assert_eq!(limiter.status(&user()).await.unwrap().used(), 4);
            assert_eq!(leased.refund(&user(), &decision).await.unwrap().used(), 0);
            // By a limiter without leases it is a unit of the store as any other.
            let decision = leased.check(&user(), 4).await.unwrap();
            let before = limiter.status(&user()).await.unwrap().used();
            let after = limiter.refund(&user(), &decision).await.unwrap().used();
            assert_eq!(before - after, 4);
        });
    }
}

#[test]
fn a_refund_of_leased_units_is_made_once_whatever_is_lost() {
    paused(async {
        let (plan, tasks) = (FaultPlan::new(), Tasks::new());
        let store = Faults::new(Arc::new(memory()), &plan);
        let limit = Limit::fixed_window(100, 1_000 * SECOND).unwrap();
        let limiter = limiter(store, limit)
            .leased(Leasing::up_to(50), &tasks)
            .unwrap();
        let lose = |fault| plan.add(FaultRule::new(fault).on("run_script").times(1));
        let decision = limiter.check(&user(), 5).await.unwrap();
        assert_eq!(decision.origin(), Origin::Lease);
        lose(Fault::LoseAnswer(ErrorKind::Timeout));
        assert!(
            limiter
                .refund_once(&user(), &decision, 2, "a")
                .await
                .is_err()
        );
        for _ in 0..3 {
            limiter
                .refund_once(&user(), &decision, 2, "a")
                .await
                .unwrap();
        }
        // Without an id, one that failed has given back nothing.
        lose(Fault::LoseRequest(ErrorKind::Timeout));
        assert!(limiter.refund_part(&user(), &decision, 3).await.is_err());
        limiter.refund_part(&user(), &decision, 3).await.unwrap();
        assert_eq!(spend_all(std::slice::from_ref(&limiter)).await, 100);
    });
}

/// Has every kind of change made by one process end what another has leased.
async fn every_change_ends_what_another_leased(stores: [Arc<dyn Store>; 2], schema: KeySchema) {
    let tasks = Tasks::new();
    let limits = || {
        let window = Limit::fixed_window(1_000, 3_600 * SECOND).unwrap();
        let window = window.with_penalty(SECOND).unwrap().named("calls").unwrap();
        vec![window, Limit::daily(1_000).unwrap()]
    };
    let [leasing, other] =
        stores.map(|store| Limiter::all_of(store, schema.clone(), limits()).unwrap());
    let leasing = leasing.leased(Leasing::up_to(100).lasting(600 * SECOND), &tasks);
    let leasing = leasing.unwrap().hearing_of_changes(&tasks).unwrap();
    for change in ["set", "clear", "unblock", "reset", "block"] {
        // Heard from here on: what is leased stays with the process while nothing changes.
        let mut heard = false;
        for _ in 0..500 {
            assert!(leasing.check(&user(), 1).await.unwrap().is_allowed());
            let changed = match change {
                "set" => other.set_limit(&user(), Period::Day, 2_000).await,
                "clear" => other.clear_limit(&user(), Period::Day).await,
                "unblock" => other.unblock(&user()).await,
                "reset" => other.reset(&user()).await,
                _ => other.block(&user(), 60 * SECOND).await,
            };
            changed.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            let before = other.status(&user()).await.unwrap().used();
            let next = leasing.check(&user(), 1).await.unwrap();
            let after = other.status(&user()).await.unwrap().used();
            // A lease that was dropped begins anew with eight units; one that is used up takes twice as many as before.
            heard = after == before + 8 || !next.is_allowed();
            if heard {
                assert_eq!(next.is_allowed(), change != "block");
                break;
            }
        }
        assert!(heard, "{change} left what was leased");
    }
    assert!(tasks.shutdown(SECOND).await.cut_off.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_another_process_changes_ends_what_is_leased_here() {
    let store = MemoryStore::new();
    let stores = [Arc::new(store.clone()) as Arc<dyn Store>, Arc::new(store)];
    every_change_ends_what_another_leased(stores, KeySchema::plain()).await;
}

#[tokio::test]
async fn what_another_process_changes_ends_what_is_leased_here_on_redis() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let connect = || async {
        let store = RedisStore::connect(server.url()).await.unwrap();
        Arc::new(store) as Arc<dyn Store>
    };
    let stores = [connect().await, connect().await];
    let own = Namespace::new(format!("it{:016x}", fastrand::u64(..))).unwrap();
    every_change_ends_what_another_leased(stores, KeySchema::plain().with_namespace(own)).await;
}

#[tokio::test(start_paused = true)]
async fn units_that_are_given_back_elsewhere_leave_what_is_leased_here() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (schema, tasks) = (KeySchema::plain(), Tasks::new());
    let limit = Limit::fixed_window(1_000, 3_600 * SECOND).unwrap();
    let other = Limiter::new(Arc::clone(&store), schema.clone(), limit.clone());
    let leasing = Limiter::new(store, schema, limit);
    let leasing = leasing.leased(Leasing::up_to(100).lasting(600 * SECOND), &tasks);
    let leasing = leasing.unwrap().hearing_of_changes(&tasks).unwrap();
    tokio::time::sleep(SECOND).await;
    assert!(leasing.check(&user(), 1).await.unwrap().is_allowed());
    let leased = other.status(&user()).await.unwrap().used();
    let taken = other.check(&user(), 5).await.unwrap();
    other.refund(&user(), &taken).await.unwrap();
    tokio::time::sleep(SECOND).await;
    assert!(leasing.check(&user(), 1).await.unwrap().is_allowed());
    assert_eq!(other.status(&user()).await.unwrap().used(), leased);
}
