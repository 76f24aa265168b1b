//! Many keys at once, over several processes, on a server and on a cluster.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use cachekit_keys::{KeyPath, ProjectId, ProjectKey};
use cachekit_patterns::{Cached, Origin};
use cachekit_testkit::server::{Deployment, Form, Kind, SharedServer};
use futures_util::future::{BoxFuture, join_all};

use super::support::{Process, random_schema};

const KEYS: usize = 120;

/// Keys of some projects, which on a cluster lie on all nodes.
fn key(n: usize) -> ProjectKey {
    let project = ProjectId::new(format!("proj{}", n % 5)).unwrap();
    ProjectKey::new(project, KeyPath::new(format!("n:{n}")).unwrap())
}

fn value(key: &ProjectKey) -> String {
    format!("{}/{}", key.project(), key.path())
}

type Found = io::Result<HashMap<ProjectKey, Option<String>>>;

/// What loaders were asked for; every seventh key is not there.
#[derive(Clone, Default)]
struct Source(Arc<Mutex<Vec<Vec<ProjectKey>>>>);

fn is_there(key: &ProjectKey) -> bool {
    !key.path().to_string().ends_with('7')
}

impl Source {
    fn loader(
        &self,
    ) -> impl Fn(Vec<ProjectKey>) -> BoxFuture<'static, Found> + Send + Sync + 'static {
        let asked = Arc::clone(&self.0);
        move |keys| {
            asked.lock().unwrap().push(keys.clone());
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let found = keys.into_iter().map(|key| {
                    let value = is_there(&key).then(|| value(&key));
                    (key, value)
                });
                Ok(found.collect())
            })
        }
    }

    fn asked(&self) -> Vec<ProjectKey> {
        let asked = self.0.lock().unwrap().concat();
        let mut distinct = asked.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), asked.len(), "no key was asked for twice");
        distinct
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

async fn load(process: &Process, keys: &[ProjectKey], source: &Source) -> Vec<Cached<String>> {
    let answers = process.cache.get_or_load_many(keys, source.loader()).await;
    let answers: Vec<_> = answers.unwrap().into_iter().map(Result::unwrap).collect();
    for (key, answer) in keys.iter().zip(&answers) {
        let expected = is_there(key).then(|| value(key));
        // Of a value the text, and of what is not there that it is not.
        assert_eq!(answer.value, expected, "{key:?}");
    }
    answers
}

async fn over_processes(deployment: Deployment) {
    let Some(server) = SharedServer::of(deployment).await.unwrap() else {
        return;
    };
    let (schema, source) = (random_schema(), Source::default());
    let start = || Process::start(server.url(), &schema);
    let processes = join_all((0..3).map(|_| start())).await;
    let keys: Vec<ProjectKey> = (0..KEYS).map(key).collect();
    for key in keys.iter().step_by(2).filter(|key| is_there(key)) {
        processes[0].cache.set(key, &value(key)).await.unwrap();
    }

    // Each wants some that the others want too.
    let wanted = [&keys[..80], &keys[40..], &keys[20..100]];
    let calls = processes.iter().zip(wanted);
    join_all(calls.map(|(process, keys)| load(process, keys, &source))).await;
    assert!(source.calls() <= 3, "{} calls of loaders", source.calls());
    let missing = |(n, key): &(usize, &ProjectKey)| n % 2 == 1 || !is_there(key);
    let mut missing: Vec<ProjectKey> = keys
        .iter()
        .enumerate()
        .filter(missing)
        .map(|(_, key)| key.clone())
        .collect();
    missing.sort();
    assert_eq!(source.asked(), missing);

    let again = load(&processes[1], &keys, &source).await;
    assert!(again.iter().all(|answer| answer.origin == Origin::Fresh));
    for project in 0..5 {
        let project = ProjectId::new(format!("proj{project}")).unwrap();
        processes[2]
            .invalidation
            .clear_project(&project)
            .await
            .unwrap();
    }
    let left = processes[0].cache.get_many(&keys).await.unwrap();
    assert!(left.iter().all(Option::is_none), "all were in the indices");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_that_several_processes_want_are_each_loaded_once() {
    over_processes(Deployment::new(Kind::Redis7, Form::Single)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_on_a_cluster_are_each_loaded_once() {
    over_processes(Deployment::new(Kind::Redis7, Form::Cluster)).await;
}
