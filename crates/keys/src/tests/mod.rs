//! Properties of the whole crate, one file a promise.

mod channels;
mod companions;
mod errors;
mod globs;
mod hits;
mod owners;
mod path_keys;
mod patterns;
mod report_key;
mod roots;
mod round_trips;
mod shapes;
mod values;
mod writes;

use proptest::{
    prelude::{Strategy, any, prop_oneof},
    string::string_regex,
};

use crate::{KeySchema, Namespace};

/// Raw ids that fit in any case: any Unicode, or what has a meaning in keys and globs.
fn raw_id() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(any::<char>(), 1..20).prop_map(String::from_iter),
        string_regex(r"[a-c:{}%*?\[\]\\^\- \n]{1,12}").expect("a valid expression"),
        string_regex("[a-z0-9_.-]{1,12}").expect("a valid expression"),
    ]
}

/// Raw paths: ids joined by `:`, without empty segments.
fn raw_path() -> impl Strategy<Value = String> {
    proptest::collection::vec(raw_id().prop_map(|id| id.replace(':', ";")), 1..3)
        .prop_map(|segments| segments.join(":"))
}

/// Both formats, with and without a namespace.
fn schema() -> impl Strategy<Value = KeySchema> {
    (any::<bool>(), any::<bool>()).prop_map(|(is_sharded, is_named)| {
        let schema = if is_sharded {
            KeySchema::sharded()
        } else {
            KeySchema::plain()
        };
        match is_named {
            true => schema.with_namespace(Namespace::new("stag*ng:1").expect("a valid namespace")),
            false => schema,
        }
    })
}
