//! Loading through the levels' handles on the memory store, under paused time.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cachekit_keys::{ContentHash, KeySchema, ModelName, ModelVersion, ProjectId};
use cachekit_store::{ErrorKind, MemoryStore, Store};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::{LevelCaches, ProjectCache};
use crate::{Cached, LoadOptions, Loaded, Origin};

fn levels_of(store: &Arc<MemoryStore>) -> LevelCaches {
    let store = Arc::clone(store) as Arc<dyn Store>;
    let levels = LevelCaches::builder(store, KeySchema::plain());
    levels.build().unwrap()
}

fn project_of(levels: &LevelCaches) -> ProjectCache {
    levels.project(&ProjectId::new("proj456").unwrap())
}

/// Counts its calls, each of which takes a second.
#[derive(Clone, Default)]
struct Analyzer(Arc<AtomicU32>);

impl Analyzer {
    async fn analyze(self, code: &'static str) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_secs(1)).await;
        Ok(code.len())
    }

    fn loader(
        &self,
        code: &'static str,
    ) -> impl FnOnce() -> futures_util::future::BoxFuture<'static, io::Result<usize>> + use<> {
        let this = self.clone();
        move || Box::pin(this.analyze(code))
    }

    fn calls(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn one_content_is_analysed_once_by_all_handles_and_processes() {
    let (store, analyzer) = (Arc::new(MemoryStore::new()), Analyzer::default());
    let processes = [levels_of(&store), levels_of(&store)];
    let (one, other) = ("def hello(): pass", "def bye(): pass");
    let ask = |n: usize| {
        let (project, analyzer) = (project_of(&processes[n % 2]), analyzer.clone());
        let code = if n % 4 < 2 { one } else { other };
        async move {
            let analyze = move || analyzer.analyze(code);
            (code, project.get_or_analyze(code, analyze).await.unwrap())
        }
    };
    for (code, found) in join_all((0..40).map(ask)).await {
        assert_eq!(code.len(), found);
    }
    assert_eq!(analyzer.calls(), 2);
    let project = project_of(&processes[0]);
    assert_eq!(project.get_analysis(one).await.unwrap(), Some(one.len()));
    let again = project.get_or_analyze(one, || async {
        Err::<usize, _>(io::Error::other("not asked"))
    });
    assert_eq!(again.await.unwrap(), one.len());
}

#[tokio::test(start_paused = true)]
async fn a_new_version_takes_the_analyses_that_are_being_made_and_nothing_else() {
    let store = Arc::new(MemoryStore::new());
    let (levels, analyzer) = (levels_of(&store), Analyzer::default());
    let project = project_of(&levels);
    project.set("file_tree", &["a.rs"]).await.unwrap();
    let new_version = async {
        sleep(Duration::from_millis(500)).await;
        project.clear_analyses().await.unwrap();
        // A caller that comes after the new version is not given the old analysis.
        let analyzer = analyzer.clone();
        let late = project.get_or_analyze("a", move || async move {
            analyzer.analyze("a").await.map(|found| found + 100)
        });
        late.await.unwrap()
    };
    let early = project.get_or_analyze("a", analyzer.loader("a"));
    let (early, late) = tokio::join!(early, new_version);
    assert_eq!((early.unwrap(), late), (1, 101));
    assert_eq!(project.get_analysis("a").await.unwrap(), Some(101));
    assert!(
        project
            .get::<Vec<String>>("file_tree")
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn models_are_asked_once_for_each_name_version_and_prompt() {
    let store = Arc::new(MemoryStore::new());
    let (global, calls) = (levels_of(&store).global(), Arc::new(AtomicU32::new(0)));
    let ask = |name: &str, version: &str, prompt: &'static str| {
        let (global, calls) = (global.clone(), Arc::clone(&calls));
        let (name, version) = (
            ModelName::new(name).unwrap(),
            ModelVersion::new(version).unwrap(),
        );
        async move {
            let ask = move || async move {
                let call = calls.fetch_add(1, Ordering::SeqCst);
                Ok::<_, io::Error>(format!("answer {call}"))
            };
            global
                .get_or_ask_model::<String, _, _, _, _>(&name, &version, prompt, ask)
                .await
                .unwrap()
        }
    };
    assert_eq!(ask("gpt-4", "v1", "Why?").await, "answer 0");
    assert_eq!(ask("gpt-4", "v1", "Why?").await, "answer 0");
    assert_eq!(ask("gpt-4", "v2", "Why?").await, "answer 1");
    assert_eq!(ask("gpt-5", "v1", "Why?").await, "answer 2");
    assert_eq!(ask("gpt-4", "v1", "Why not?").await, "answer 3");
}

#[tokio::test(start_paused = true)]
async fn a_failed_analysis_is_the_callers_error_and_is_not_stored() {
    let store = Arc::new(MemoryStore::new());
    let project = project_of(&levels_of(&store));
    let failing = || async { Err::<u32, _>(io::Error::other("no memory")) };
    let error = project.get_or_analyze("a", failing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadFailed);
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.downcast_ref::<io::Error>().is_some());
    assert_eq!(project.get_analysis::<u32>("a").await.unwrap(), None);

    let none =
        project.get_or_load::<u32, _, _, _, _>("none", || async { Ok::<_, io::Error>(None) });
    let error = none.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().contains("project:proj456:none"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_name_is_refused_before_anything_is_loaded() {
    let project = project_of(&levels_of(&Arc::default()));
    let analyzer = Analyzer::default();
    let load = analyzer.loader("a");
    let error = project
        .get_or_load::<usize, _, _, _, _>("a::b", load)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), analyzer.calls()),
        (ErrorKind::InvalidInput, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_name_may_be_loaded_as_several_types() {
    let project = project_of(&levels_of(&Arc::default()));
    let number = project
        .get_or_load("n", || async { Ok::<_, io::Error>(7_u32) })
        .await
        .unwrap();
    // Another type is a miss like a damaged entry, and replaces it.
    let text = || async { Ok::<_, io::Error>(Loaded::value("seven".to_owned())) };
    let options = LoadOptions::new();
    let cached: Cached<String> = project
        .fetch_with("n", &options, move |_| text())
        .await
        .unwrap();
    assert_eq!((number, cached.origin), (7, Origin::Loaded));
    assert_eq!(
        project.get::<String>("n").await.unwrap().as_deref(),
        Some("seven")
    );
}

#[tokio::test(start_paused = true)]
async fn a_warmed_project_is_written_as_any_other_and_cleared_with_it() {
    let project = project_of(&levels_of(&Arc::default()));
    project
        .warm(&["src/main.rs"], &[(1, "high")])
        .await
        .unwrap();
    let tree: Option<Vec<String>> = project.get("file_tree").await.unwrap();
    let issues: Option<Vec<(u32, String)>> = project.get("recent_issues").await.unwrap();
    assert_eq!(tree.unwrap(), ["src/main.rs"]);
    assert_eq!(issues.unwrap(), [(1, "high".to_owned())]);
    assert_eq!(project.clear().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_names_are_loaded_together_and_cleared_with_their_owner() {
    let store = Arc::default();
    let project = project_of(&levels_of(&store));
    project.set("lines:b.rs", &1_usize).await.unwrap();
    let asked: Arc<AtomicU32> = Arc::default();
    let count = {
        let asked = Arc::clone(&asked);
        move |names: Vec<String>| {
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                assert_eq!(names, ["lines:a.rs", "lines:c.rs"]);
                let lines = names.into_iter().filter(|name| name != "lines:c.rs");
                Ok::<_, io::Error>(lines.map(|name| (name, 7)).collect::<HashMap<_, _>>())
            }
        }
    };
    let names = ["lines:a.rs", "lines:b.rs", "lines:c.rs"];
    for _ in 0..2 {
        let answers = project.get_or_load_many(&names, count.clone()).await;
        let answers = answers.unwrap().into_iter();
        let values: Vec<Option<usize>> = answers.map(|answer| answer.unwrap().value).collect();
        assert_eq!(values, [Some(7), Some(1), None]);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(project.clear().await.unwrap(), 3);
    let wrong = project.get_or_load_many(&["a::b"], count).await;
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn a_model_may_be_given_more_time_than_other_loads() {
    let levels = levels_of(&Arc::default());
    let name = ModelName::new("gpt-4").unwrap();
    let version = ModelVersion::new("v2.1.0").unwrap();
    let prompt = ContentHash::of("Why?");
    let (global, patient) = (
        levels.global(),
        LoadOptions::new().with_hard_timeout(Duration::from_secs(120)),
    );
    let think = |_| async {
        sleep(Duration::from_secs(100)).await;
        Ok::<_, io::Error>("Because.".to_owned())
    };
    let answer = global.get_or_ask_model_with(&name, &version, &prompt, &patient, think);
    assert_eq!(answer.await.unwrap().origin, Origin::Loaded);
    let stored = global.get_model_response::<String>(&name, &version, "Why?");
    assert_eq!(stored.await.unwrap().as_deref(), Some("Because."));
}
