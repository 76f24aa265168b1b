//! An index belongs to one owner, is in its slot where the owner is a hash tag, and is matched by no pattern of a family.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{raw_id, raw_path, report_key::ReportKey, schema};
use crate::{
    BoundedSegment, GlobalKey, Key, KeyFormat, KeyPath, KeySchema, ModelKey, ProjectId, ProjectKey,
    RateLimitKey, SessionId, SessionKey, Tag, UserId,
};

proptest! {
    #[test]
    fn a_keys_owners_root_is_the_owners_root(schema in schema(), id in raw_id(), path in raw_path()) {
        let path = KeyPath::new(path).expect("a short path");
        let (session, project) = (SessionId::new(&id).expect("short"), ProjectId::new(&id).expect("short"));
        let of_session = SessionKey::new(session.clone(), path.clone());
        let (key, roots) = schema.key_with_roots(&of_session);
        prop_assert_eq!(&key, &schema.key(&of_session));
        prop_assert_eq!(roots.owner(), Some(&schema.session_root(&session)));
        prop_assert_eq!(roots.iter().count(), 1);

        let (key, roots) = schema.key_with_roots(&ProjectKey::new(project.clone(), path));
        prop_assert_eq!(roots.owner(), Some(&schema.project_root(&project)));
        let is_analysis = roots.iter().any(|root| *root == schema.analyses_root(&project));
        prop_assert_eq!(is_analysis, schema.analyses(&project).matches(key.as_bytes()));
    }

    #[test]
    fn an_analysis_is_one_however_its_key_was_made(schema in schema(), id in raw_id(), rest in raw_path()) {
        let project = ProjectId::new(id).expect("a short id");
        let path = KeyPath::new(format!("analysis:{rest}")).expect("a short path");
        let (key, roots) = schema.key_with_roots(&ProjectKey::new(project.clone(), path));
        prop_assert!(roots.iter().eq([&schema.project_root(&project), &schema.analyses_root(&project)]));
        prop_assert!(schema.analyses(&project).matches(key.as_bytes()));
    }

    #[test]
    fn an_index_is_a_reserved_key_in_the_slot_of_its_sharded_owner(
        schema in schema(), id in raw_id(), is_report in any::<bool>()
    ) {
        let user = UserId::new(id).expect("a short id");
        let (key, roots) = if is_report {
            schema.key_with_roots(&report(&user))
        } else {
            schema.key_with_roots(&RateLimitKey::DailyLimit { user })
        };
        let index = roots.owner().expect("a user's key").index();
        prop_assert!(index.is_reserved());
        prop_assert!(!schema.all_keys().matches(index.as_bytes()) || schema.namespace().is_none());
        if schema.format() == KeyFormat::Sharded {
            prop_assert_eq!(index.slot(), key.slot());
        }
        prop_assert_eq!(Key::from_raw(index.to_bytes()), Ok(index));
    }

    #[test]
    fn two_owners_families_namespaces_or_tags_never_share_an_index(a in raw_id(), b in raw_id()) {
        let indices = |schema: &KeySchema, id: &str| {
            let project = ProjectId::new(id).expect("short");
            [
                schema.session_root(&SessionId::new(id).expect("short")).index(),
                schema.project_root(&project).index(),
                schema.analyses_root(&project).index(),
                schema.tag_root(&Tag::new(id).expect("short")).index(),
            ]
        };
        let named = |schema: KeySchema| schema.with_namespace("stag*ng:1".parse().expect("a valid namespace"));
        let mut all = Vec::new();
        for schema in [KeySchema::plain(), KeySchema::sharded()] {
            all.extend(indices(&schema, &a));
            all.extend(indices(&named(schema.clone()), &a));
            if a != b {
                all.extend(indices(&schema, &b));
            }
        }
        // A tag's index has one name in both formats.
        let tags = if a == b { 2 } else { 3 };
        let distinct: std::collections::HashSet<&Key> = all.iter().collect();
        prop_assert_eq!(distinct.len(), all.len() - tags);
    }
}

fn report(user: &UserId) -> ReportKey {
    ReportKey::File {
        region: BoundedSegment::new("eu").expect("a short id"),
        user: user.clone(),
        path: KeyPath::literal("a"),
    }
}

#[test]
fn an_owner_behind_other_ids_has_one_root_for_all_of_them() {
    let user = UserId::new("u1").expect("a short id");
    let (key, roots) = KeySchema::sharded().key_with_roots(&report(&user));
    assert_eq!(key.as_str(), Some("report:eu:{u1}:file:a"));
    let root = roots.owner().expect("a user's key");
    assert_eq!(root.key().as_str(), Some("report:{u1}"));
    assert_eq!(root.index().as_str(), Some("ck:index:{u1}:report:{u1}"));
}

#[test]
fn keys_without_an_owner_have_no_root() {
    let schema = KeySchema::plain();
    let model = "model:gpt-4:v1:";
    let global = |text: &str| GlobalKey::new(text).expect("a global key");
    assert!(schema.key_with_roots(&global("flags:beta")).1.is_empty());
    let hash = crate::ContentHash::of("x");
    let response = global(&format!("{model}{hash}:response"));
    assert!(schema.key_with_roots(&response).1.is_empty());
    let own: ModelKey = schema
        .parse(&schema.key(&response))
        .expect("the same family");
    assert!(schema.key_with_roots(&own).1.is_empty());
    let limit = global("ratelimit:u1:daily_limit");
    let (_, roots) = schema.key_with_roots(&limit);
    assert_eq!(
        roots.owner().map(|root| root.key().to_string()),
        Some("ratelimit:u1".to_owned())
    );
}
