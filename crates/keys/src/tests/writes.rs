//! The keys of queues lie where they have to, and no two are the same.

use std::collections::HashSet;

use crate::{CompanionKind, Key, KeySchema, Namespace, WriteKey, WriteQueue};

#[test]
fn the_keys_of_a_slot_lie_in_it() {
    let queue = WriteQueue::new("project").unwrap();
    for slot in 0..16_384 {
        let slot = Some(slot);
        for key in [
            WriteKey::Due { slot },
            WriteKey::Held { slot },
            WriteKey::Waiting { slot },
            WriteKey::Persisted { slot },
            WriteKey::Dead { slot },
        ] {
            let key = KeySchema::plain().write_key(&queue, key);
            assert_eq!(Some(key.slot()), slot, "{key}");
            assert!(key.is_reserved());
        }
    }
}

#[test]
fn a_write_and_its_dead_letter_lie_beside_their_key() {
    let key = Key::from_raw("user:{7}:name").unwrap();
    for kind in [CompanionKind::Unpersisted, CompanionKind::DeadLetter] {
        let companion = key.companion(kind).unwrap();
        assert_eq!(companion.slot(), key.slot());
        assert_eq!(companion.accompanied(), Some((kind, key.clone())));
    }
}

#[test]
fn queues_of_other_names_namespaces_and_slots_share_no_key() {
    let staging = Namespace::new("staging").unwrap();
    let schemas = [
        KeySchema::plain(),
        KeySchema::plain().with_namespace(staging),
    ];
    let mut keys = HashSet::new();
    let mut count = 0;
    for schema in &schemas {
        for name in ["project", "session", "staging:project", "0"] {
            let queue = WriteQueue::new(name).unwrap();
            for slot in [None, Some(0), Some(1)] {
                for key in [
                    WriteKey::Due { slot },
                    WriteKey::Held { slot },
                    WriteKey::Waiting { slot },
                    WriteKey::Persisted { slot },
                    WriteKey::Dead { slot },
                ] {
                    keys.insert(schema.write_key(&queue, key));
                    count += 1;
                }
            }
            for key in [
                WriteKey::Slots(0),
                WriteKey::Slots(1),
                WriteKey::Arrivals,
                WriteKey::Flush,
                WriteKey::Progress,
            ] {
                keys.insert(schema.write_key(&queue, key));
                count += 1;
            }
        }
    }
    assert_eq!(keys.len(), count);
}
