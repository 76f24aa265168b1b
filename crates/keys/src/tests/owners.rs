//! No id reaches another owner's or family's keys, and no owner's pattern does.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::{raw_id, raw_path, schema};
use crate::{
    KeyPath, KeySchema, Namespace, ProjectId, ProjectKey, RateLimitKey, RateLimitState, Segment,
    SessionId, SessionKey, UserId,
};

proptest! {
    #[test]
    fn an_owners_pattern_matches_exactly_its_own_keys(
        schema in schema(), mine in raw_id(), other in raw_id(), path in raw_path()
    ) {
        let path = KeyPath::new(path).expect("a short path");
        let (mine, other) = (ProjectId::new(mine).expect("short"), ProjectId::new(other).expect("short"));
        let pattern = schema.project_keys(&mine);
        let own = schema.key(&ProjectKey::new(mine.clone(), path.clone()));
        prop_assert!(pattern.matches(own.as_bytes()));
        let foreign = schema.key(&ProjectKey::new(other.clone(), path.clone()));
        prop_assert_eq!(pattern.matches(foreign.as_bytes()), mine == other);

        let session = schema.key(&SessionKey::new(SessionId::new(mine.decoded()).expect("short"), path));
        prop_assert!(!pattern.matches(session.as_bytes()));
    }

    #[test]
    fn a_state_is_named_as_its_key_is(schema in schema(), user in raw_id(), name in raw_id()) {
        let (user, name) = (UserId::new(user).expect("short"), Segment::new(name).expect("short"));
        for state in RateLimitState::ALL.iter().copied() {
            let key = RateLimitKey::State { user: user.clone(), state, name: name.clone() };
            prop_assert_eq!(schema.rate_limit_state(&user, state, &name), schema.key(&key));
        }
    }

    #[test]
    fn a_sessions_pattern_matches_exactly_its_own_keys(
        schema in schema(), mine in raw_id(), other in raw_id(), path in raw_path()
    ) {
        let path = KeyPath::new(path).expect("a short path");
        let (mine, other) = (SessionId::new(mine).expect("short"), SessionId::new(other).expect("short"));
        let pattern = schema.session_keys(&mine);
        prop_assert!(pattern.matches(schema.key(&SessionKey::new(mine.clone(), path.clone())).as_bytes()));
        let foreign = schema.key(&SessionKey::new(other.clone(), path));
        prop_assert_eq!(pattern.matches(foreign.as_bytes()), mine == other);
    }

    #[test]
    fn a_text_pattern_with_an_escaped_owner_is_that_owners_pattern(schema in schema(), id in raw_id()) {
        let id = ProjectId::new(id).expect("a short id");
        let escaped: String = id.decoded().chars().flat_map(|c| ['\\', c]).collect();
        prop_assert_eq!(schema.pattern(&format!("project:{escaped}:*")), Ok(schema.project_keys(&id)));
    }

    #[test]
    fn a_text_pattern_finds_the_same_of_an_owner_in_both_formats(
        owner in "[a-c]{1,3}", other in "[a-c]{1,3}", glob in r"[a-c*?\[\]^:-]{1,6}", path in "[a-c]{1,3}(:[a-c]{1,3})?"
    ) {
        let text = format!("project:{owner}:{glob}");
        let (plain, sharded) = (KeySchema::plain(), KeySchema::sharded());
        let found = |schema: &KeySchema| {
            let path = KeyPath::new(&path).expect("a short path");
            let key = ProjectKey::new(ProjectId::new(&other).expect("short"), path);
            schema.pattern(&text).map(|pattern| pattern.matches(schema.key(&key).as_bytes()))
        };
        prop_assert_eq!(found(&plain), found(&sharded));
        prop_assert!(owner == other || found(&plain) != Ok(true));
    }

    #[test]
    fn no_text_pattern_leaves_its_family_or_namespace(
        schema in schema(), glob in r"[a-c*?\[\]^\\:-]{1,8}", id in raw_id()
    ) {
        let Ok(pattern) = schema.pattern(&format!("project:{glob}")) else { return Ok(()) };
        let session = schema.key(&SessionKey::current_file(SessionId::new(&id).expect("short")));
        prop_assert!(!pattern.matches(session.as_bytes()));
        let elsewhere = schema.with_namespace(Namespace::new("elsewhere").expect("short"));
        let project = elsewhere.key(&ProjectKey::file_tree(ProjectId::new(&id).expect("short")));
        prop_assert!(!pattern.matches(project.as_bytes()));
    }

    #[test]
    fn all_keys_match_the_pattern_of_the_namespace(schema in schema(), id in raw_id()) {
        let key = schema.key(&ProjectKey::file_tree(ProjectId::new(id).expect("a short id")));
        prop_assert!(schema.all_keys().matches(key.as_bytes()));
        prop_assert!(schema.pattern("project:*").expect("a known family").matches(key.as_bytes()));
    }
}

#[test]
fn an_id_cannot_become_two_segments() {
    let evil = ProjectId::new("a:file_tree").expect("a legal id");
    let key = KeySchema::plain().key(&ProjectKey::recent_issues(evil));
    assert_eq!(key.as_str(), Some("project:a%3Afile_tree:recent_issues"));
    let braces = KeySchema::sharded().key(&ProjectKey::file_tree(
        ProjectId::new("a}x{").expect("a legal id"),
    ));
    assert_eq!(braces.hash_tag(), Some(&b"a%7Dx%7B"[..]));
}
