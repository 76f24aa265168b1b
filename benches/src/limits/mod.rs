//! Rate limits against the smallest script that decides the same, and against a limiter within the process.

mod bytes;
mod memory;
mod peer;

use std::{sync::Arc, time::Duration};

use cachekit::{
    CacheKit, Limit, UserId,
    limits::{Coalescing, Leasing, Limiter},
};

use self::peer::Peer;
use crate::{
    Outcome,
    harness::{Row, compare, spawned},
    raw, report,
};

/// The rows of this module, by name.
pub(crate) const ROWS: [&str; 8] = [
    "limit/gcra/64",
    "limit/coalesced/256",
    "limit/hot/256",
    "limit/lease/64",
    "limit/denied/64",
    "limit/multi3/64",
    "limit/memory",
    "limit/bytes",
];
const TASKS: usize = 64;
const MANY_TASKS: usize = 256;
const SUBJECTS: usize = 1_000;
const MINUTE: Duration = Duration::from_secs(60);
/// More than a run asks for, so that checks are allowed.
const PLENTY: u64 = 1_000_000_000;
/// What a token takes, in microseconds.
const MICROS: u64 = 1_000;
const PEER: &str = "redis crate, EVALSHA of a small GCRA script";

/// Measures the rows `wanted`.
pub(crate) async fn run(wanted: &[&str]) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    if wanted.is_empty() {
        return Ok(rows);
    }
    let server = raw::server(&[]).await?;
    let bench = Bench::prepare(&server.url()).await?;
    for name in wanted {
        let measured = match *name {
            "limit/gcra/64" => vec![bench.gcra(name).await?],
            "limit/coalesced/256" => vec![bench.coalesced(name, SUBJECTS).await?],
            "limit/hot/256" => vec![bench.coalesced(name, 1).await?],
            "limit/lease/64" => vec![bench.leased(name).await?],
            "limit/denied/64" => vec![bench.denied(name).await?],
            "limit/multi3/64" => vec![bench.several(name).await?],
            "limit/memory" => vec![memory::gcra(name).await?],
            _ => bytes::rows(&bench.kit, bench.peer.connection()).await?,
        };
        for row in measured {
            report::print(&row);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Both sides connected to one server.
struct Bench {
    kit: CacheKit,
    peer: Peer,
}

/// Subjects, as each side names them.
#[derive(Clone)]
struct Subjects {
    ours: Arc<Vec<UserId>>,
    theirs: Arc<Vec<String>>,
}

impl Subjects {
    fn new(row: &str, count: usize) -> Outcome<Self> {
        let row = row.replace('/', "-");
        let ours: Result<Vec<_>, _> = (0..count)
            .map(|number| UserId::new(format!("{row}-{number}")))
            .collect();
        let ours = ours?;
        let key = |user: &UserId| format!("peer:{}:bucket:requests", user.as_encoded());
        Ok(Self {
            theirs: Arc::new(ours.iter().map(key).collect()),
            ours: Arc::new(ours),
        })
    }
}

impl Bench {
    async fn prepare(url: &str) -> Outcome<Self> {
        Ok(Self {
            kit: CacheKit::connect(url).await?,
            peer: Peer::connect(url).await?,
        })
    }

    async fn gcra(&self, name: &str) -> Outcome<Row> {
        let limiter = self.kit.limiter(plenty(1)?);
        let subjects = Subjects::new(name, SUBJECTS)?;
        let ours = || checks(&limiter, &subjects, TASKS, 400);
        let theirs = || self.peer.checks(&subjects, TASKS, 400, PLENTY);
        Ok(compare(name, PEER, ours, theirs).await)
    }

    async fn coalesced(&self, name: &str, subjects: usize) -> Outcome<Row> {
        let limiter = self.kit.limiter(plenty(1)?);
        let limiter = limiter.coalesced(Coalescing::new());
        let subjects = Subjects::new(name, subjects)?;
        let ours = || checks(&limiter, &subjects, MANY_TASKS, 400);
        let theirs = || self.peer.checks(&subjects, MANY_TASKS, 100, PLENTY);
        Ok(compare(name, PEER, ours, theirs).await)
    }

    async fn leased(&self, name: &str) -> Outcome<Row> {
        let limiter = self.kit.limiter(plenty(1)?);
        let limiter = limiter.leased(Leasing::up_to(10_000), self.kit.tasks())?;
        let subjects = Subjects::new(name, TASKS)?;
        let ours = || checks(&limiter, &subjects, TASKS, 20_000);
        let theirs = || self.peer.checks(&subjects, TASKS, 200, PLENTY);
        Ok(compare(name, PEER, ours, theirs).await)
    }

    /// A subject that has nothing left, and keeps asking.
    async fn denied(&self, name: &str) -> Outcome<Row> {
        const ONE_A_WEEK: Duration = Duration::from_secs(7 * 86_400);
        let limiter = self.kit.limiter(Limit::token_bucket(1, ONE_A_WEEK)?);
        let limiter = limiter.remembering_denials(Duration::from_secs(3_600));
        let subjects = Subjects::new(name, 1)?;
        assert!(limiter.check(&subjects.ours[0], 1).await?.is_allowed());
        let ours = || checks(&limiter, &subjects, TASKS, 20_000);
        let theirs = || self.peer.checks(&subjects, TASKS, 200, 1);
        Ok(compare(name, PEER, ours, theirs).await)
    }

    async fn several(&self, name: &str) -> Outcome<Row> {
        const PEER: &str = "redis crate, three of them in a pipeline";
        let limits: Outcome<Vec<Limit>> = [1, 2, 4]
            .map(|times| Ok(plenty(times)?.named(&format!("slower{times}"))?))
            .into_iter()
            .collect();
        let limiter = self.kit.limiter_of(limits?)?;
        let subjects = Subjects::new(name, SUBJECTS)?;
        let ours = || checks(&limiter, &subjects, TASKS, 200);
        let theirs = || self.peer.triples(&subjects, TASKS, 200);
        Ok(compare(name, PEER, ours, theirs).await)
    }
}

/// A bucket that is never empty, and fills so many times as slowly.
fn plenty(times: u64) -> Outcome<Limit> {
    let width = Duration::from_micros(PLENTY * MICROS * times);
    Ok(Limit::token_bucket(PLENTY, width)?)
}

/// So many checks by each of so many tasks, each of a subject of its own in turn.
async fn checks(limiter: &Limiter, subjects: &Subjects, tasks: usize, each: usize) -> usize {
    spawned(tasks, each, |task| {
        let (limiter, users) = (limiter.clone(), Arc::clone(&subjects.ours));
        async move {
            for call in 0..each {
                let user = &users[(call + task * 17) % users.len()];
                let decision = limiter.check(user, 1).await;
                assert!(decision.is_ok_and(|decision| decision.limit() > 0));
            }
        }
    })
    .await
}
