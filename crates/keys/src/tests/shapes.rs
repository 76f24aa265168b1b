//! Shapes that would break a promise are refused. In constants, as families use them, these panics stop the compiler.

use crate::{Part, Shape};

/// A shape beside which others are put.
const SUMMARY: Shape = Shape::new("report", &[Part::Owner, Part::Literal("summary")]);

#[test]
#[should_panic(expected = "taken by the kit")]
fn a_built_in_name_is_taken() {
    let _ = Shape::new("quota", &[Part::Id]);
}

#[test]
#[should_panic(expected = "taken by the kit")]
fn the_reserved_prefix_is_taken() {
    let _ = Shape::new("ck", &[Part::Id]);
}

#[test]
#[should_panic(expected = "a word is made of")]
fn a_word_holds_no_separator() {
    let _ = Shape::new("report", &[Part::Literal("a:b")]);
}

#[test]
#[should_panic(expected = "1 to 64 bytes")]
fn a_name_is_not_empty() {
    let _ = Shape::new("", &[Part::Id]);
}

#[test]
#[should_panic(expected = "at least one part")]
fn a_family_is_more_than_its_name() {
    let _ = Shape::new("report", &[]);
}

#[test]
#[should_panic(expected = "at most one owner")]
fn a_key_has_one_owner() {
    let _ = Shape::new("report", &[Part::Owner, Part::OwnerUpTo(8)]);
}

#[test]
#[should_panic(expected = "a path is the last part")]
fn a_path_stands_at_the_end() {
    let _ = Shape::new("report", &[Part::Path, Part::Id]);
}

#[test]
#[should_panic(expected = "an id has 1 to 256 bytes")]
fn a_limit_is_in_range() {
    let _ = Shape::new("report", &[Part::IdUpTo(257)]);
}

#[test]
#[should_panic(expected = "more than 1024 bytes")]
fn a_key_that_may_be_too_long_is_refused() {
    let _ = Shape::new("report", &[Part::Owner, Part::Id, Part::Id, Part::Id]);
}

#[test]
fn many_ids_fit_with_limits_of_their_own() {
    let shape = Shape::new(
        "report",
        &[Part::OwnerUpTo(64), Part::IdUpTo(64), Part::Id, Part::Id],
    );
    assert_eq!(shape.parts().len(), 4);
}

#[test]
#[should_panic(expected = "two shapes")]
fn an_id_may_not_stand_for_another_shapes_word() {
    Shape::check_family(&[SUMMARY, Shape::new("report", &[Part::Owner, Part::Id])]);
}

#[test]
#[should_panic(expected = "two shapes")]
fn a_path_may_not_stand_for_another_shapes_segments() {
    Shape::check_family(&[SUMMARY, Shape::new("report", &[Part::Path])]);
}

#[test]
#[should_panic(expected = "at least one shape")]
fn a_family_has_a_shape() {
    Shape::check_family(&[]);
}

#[test]
fn shapes_that_differ_in_a_word_or_in_length_go_together() {
    Shape::check_family(&[
        SUMMARY,
        Shape::new("report", &[Part::Owner, Part::Literal("file"), Part::Path]),
        Shape::new("report", &[Part::Owner]),
    ]);
}
