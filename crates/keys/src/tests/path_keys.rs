//! Keys made from an owner's rendered prefix are those that the schema makes of the typed key.

use proptest::{
    prelude::{any, prop_assert_eq},
    proptest,
};

use super::{raw_id, raw_path, schema};
use crate::{KeyError, KeyPath, KeySchema, ProjectId, ProjectKey, SessionId, SessionKey};

proptest! {
    #[test]
    fn path_keys_are_the_typed_keys(schema in schema(), id in raw_id(), path in raw_path()) {
        let session = SessionId::new(&id).expect("a short id");
        let project = ProjectId::new(&id).expect("a short id");
        let typed = KeyPath::new(&path).expect("a short path");
        prop_assert_eq!(
            schema.session_paths(&session).key(&path).expect("a short path"),
            schema.key(&SessionKey::new(session, typed.clone()))
        );
        prop_assert_eq!(
            schema.project_paths(&project).key(&path).expect("a short path"),
            schema.key(&ProjectKey::new(project, typed))
        );
    }

    #[test]
    fn what_a_path_refuses_path_keys_refuse(path in any::<String>()) {
        let keys = KeySchema::plain().session_paths(&SessionId::new("a").expect("a short id"));
        prop_assert_eq!(keys.key(&path).err(), KeyPath::new(&path).err());
    }
}

#[test]
fn empty_and_long_paths_are_refused() {
    let keys = KeySchema::plain().session_paths(&SessionId::new("a").expect("a short id"));
    assert!(matches!(keys.key(""), Err(KeyError::Empty { .. })));
    assert!(matches!(keys.key("a::b"), Err(KeyError::Empty { .. })));
    assert!(matches!(
        keys.key(&"x".repeat(513)),
        Err(KeyError::TooLong { .. })
    ));
}
