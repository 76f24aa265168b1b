//! The shrinker on lists of numbers.

use async_trait::async_trait;

use crate::equivalence::{
    Failed,
    shrink::{Oracle, minimal},
};

/// Looks for lists with a property, and counts how often it was asked.
struct Property<F> {
    holds: F,
    asked: usize,
}

#[async_trait]
impl<F: Fn(&[u32]) -> bool + Send> Oracle<u32> for Property<F> {
    async fn shows(&mut self, list: &[u32]) -> Result<bool, Failed> {
        self.asked += 1;
        Ok((self.holds)(list))
    }
}

fn halved(number: &u32) -> Vec<u32> {
    match number {
        0 => Vec::new(),
        number => vec![number / 2, number - 1],
    }
}

async fn shrunk(list: Vec<u32>, holds: impl Fn(&[u32]) -> bool + Send) -> (Vec<u32>, usize) {
    let mut oracle = Property { holds, asked: 0 };
    let shrunk = minimal(list, halved, &mut oracle).await.unwrap();
    (shrunk, oracle.asked)
}

#[tokio::test]
async fn only_the_items_that_matter_are_kept_and_in_order() {
    let shows = |list: &[u32]| {
        let place = |number| list.iter().position(|item| *item == number);
        matches!((place(130), place(17)), (Some(first), Some(second)) if first > second)
    };
    let (shrunk, asked) = shrunk((0..200).collect(), shows).await;
    assert_eq!(shrunk, [17, 130]);
    assert!(asked < 100, "asked {asked} times");
}

#[tokio::test]
async fn items_are_simplified_as_far_as_they_can_be() {
    let (shrunk, _) = shrunk(vec![1, 900, 2, 77], |list| {
        list.iter().any(|item| *item >= 70)
    })
    .await;
    assert_eq!(shrunk, [70]);
}

#[tokio::test]
async fn what_becomes_superfluous_by_simplifying_is_left_out() {
    let shows = |list: &[u32]| {
        let large = list.iter().filter(|item| **item > 5).count();
        !list.is_empty() && (large == 0 || list.len() > 2)
    };
    let (shrunk, _) = shrunk(vec![9, 9, 9], shows).await;
    assert_eq!(shrunk, [0]);
}

#[tokio::test]
async fn the_last_item_is_never_left_out() {
    let (shrunk, _) = shrunk(vec![3, 4, 5], |_| true).await;
    assert_eq!(shrunk, [0]);
}

struct Broken;

#[async_trait]
impl Oracle<u32> for Broken {
    async fn shows(&mut self, _list: &[u32]) -> Result<bool, Failed> {
        Err(Failed::Trouble("the server is gone".to_owned()))
    }
}

#[tokio::test]
async fn an_oracle_in_trouble_ends_it() {
    let failed = minimal(vec![1, 2], halved, &mut Broken).await.unwrap_err();
    assert!(matches!(failed, Failed::Trouble(reason) if reason == "the server is gone"));
}
