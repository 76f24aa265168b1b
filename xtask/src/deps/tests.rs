//! Every rule is shown a graph that breaks it: a check that cannot fail holds nothing.

use super::{Package, arrow_violations, contains, lines_naming_redis, redis_in_manifests};
use crate::workspace::Dependency;

fn package(name: &str, normal: &[&str], dev: &[&str]) -> Package {
    let of = |dev| {
        move |name: &&str| Dependency {
            name: (*name).to_owned(),
            dev,
        }
    };
    let dependencies = normal
        .iter()
        .map(of(false))
        .chain(dev.iter().map(of(true)))
        .collect();
    Package {
        name: name.to_owned(),
        dependencies,
        ..Package::default()
    }
}

fn bare(name: &str) -> Package {
    package(name, &[], &[])
}

#[test]
fn the_arrows_of_the_design_are_accepted() {
    let packages = [
        package(
            "cachekit",
            &["cachekit-patterns", "cachekit-store", "tokio"],
            &["cachekit-testkit"],
        ),
        package(
            "cachekit-patterns",
            &["cachekit-store", "cachekit-codec", "cachekit-keys"],
            &[],
        ),
        package(
            "cachekit-store",
            &["cachekit-keys", "redis"],
            &["cachekit-testkit"],
        ),
        package("cachekit-testkit", &["cachekit-store"], &[]),
        package("cachekit-tests", &["cachekit", "cachekit-testkit"], &[]),
        package("cachekit-example-web", &["cachekit"], &[]),
        bare("cachekit-codec"),
        bare("cachekit-keys"),
    ];
    assert_eq!(arrow_violations(&packages), Vec::<String>::new());
    assert_eq!(redis_in_manifests(&packages), Vec::<String>::new());
}

#[test]
fn siblings_may_not_use_each_other() {
    let packages = [
        package("cachekit-limits", &["cachekit-locks"], &[]),
        bare("cachekit-locks"),
    ];
    assert_eq!(arrow_violations(&packages), ["limits -> locks"]);
}

#[test]
fn an_arrow_upwards_is_refused() {
    let packages = [
        package("cachekit-keys", &["cachekit-store"], &[]),
        bare("cachekit-store"),
    ];
    assert_eq!(arrow_violations(&packages), ["keys -> store"]);
}

#[test]
fn the_umbrella_is_closed_to_libraries_even_for_their_tests() {
    let packages = [
        package("cachekit-patterns", &[], &["cachekit"]),
        bare("cachekit"),
    ];
    assert_eq!(arrow_violations(&packages), ["patterns -> cachekit (dev)"]);
}

#[test]
fn the_testkit_is_no_dependency_of_a_library() {
    let packages = [
        package("cachekit-store", &["cachekit-testkit"], &[]),
        bare("cachekit-testkit"),
    ];
    assert_eq!(arrow_violations(&packages), ["store -> testkit"]);
}

#[test]
fn the_chores_use_no_crate_of_the_workspace() {
    let packages = [
        package("xtask", &[], &["cachekit-testkit"]),
        bare("cachekit-testkit"),
    ];
    assert_eq!(arrow_violations(&packages), ["xtask -> testkit (dev)"]);
}

#[test]
fn a_package_that_the_table_does_not_know_is_refused() {
    let violations = arrow_violations(&[bare("cachekit-extras")]);
    assert_eq!(
        violations,
        ["extras is not in the table of arrows (xtask/src/deps.rs)"]
    );
}

#[test]
fn the_client_library_is_named_by_the_store_and_the_benchmarks_alone() {
    let packages = [
        package("cachekit-store", &["redis"], &[]),
        package("cachekit-benches", &["redis"], &[]),
        package("cachekit-testkit", &[], &["redis"]),
    ];
    assert_eq!(
        redis_in_manifests(&packages),
        ["testkit names the package redis in its manifest"]
    );
}

#[test]
fn paths_of_the_client_library_are_found_in_code() {
    let text = "use redis::aio;\nlet x = ::redis::cmd(\"GET\");\nuse redis as client;\nfn f(e: &redis::RedisError) {}";
    assert_eq!(lines_naming_redis(text).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn our_own_module_links_and_comments_are_not_the_client_library() {
    let text = "// redis::aio\n/// [`redis::Client`]\nuse crate::redis::RedisStore;\nlet u = \"redis://h\";\nmy_redis::f();";
    assert_eq!(lines_naming_redis(text).count(), 0);
}

#[test]
fn a_tree_is_read_by_whole_names() {
    let tree = "cachekit-store v0.1.0 (/x)\nredis-protocol v6.0.0\ntokio-util v0.7";
    assert!(!contains(tree, "redis") && !contains(tree, "tokio"));
    assert!(contains("redis v1.8.1 (*)", "redis"));
}
