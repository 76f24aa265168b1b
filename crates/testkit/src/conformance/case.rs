//! The list of cases and their runner.

use std::{fmt, pin::Pin, sync::Arc};

use cachekit_store::Capabilities;

use super::{
    batches, conditions, counters, expiry, fixture::Fixture, lifecycle, limits, pubsub, scan,
    script_hashes, script_keys, script_runs, script_sorted_sets, script_strings, scripts, strings,
    subject::Subject, types,
};

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One behaviour that a store must have.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    start: fn(Arc<Fixture>) -> Running,
}

impl Case {
    /// The behaviour, as `module::statement`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case in a fresh namespace and cleans up.
    ///
    /// # Errors
    /// The message of the assertion that failed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    /// A dropped run leaves its keys behind; most of them expire.
    pub async fn run(&self, subject: &Arc<dyn Subject>) -> Result<(), String> {
        let fixture = Arc::new(Fixture::new(Arc::clone(subject)));
        // A task of its own turns a panic into a result, so that the other cases still run.
        let outcome = tokio::spawn((self.start)(Arc::clone(&fixture))).await;
        let cleaned = fixture.space.clean_up(&*fixture.store).await;
        outcome.map_err(message)?;
        cleaned.map_err(|error| format!("cleaning up: {error}"))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

fn message(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "cancelled".to_owned();
    };
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without text")
        .to_owned()
}

/// Names each function by its path and boxes its future.
macro_rules! list {
    ($($module:ident: $($case:ident)+;)+) => {
        [$($(Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            start: |fixture| Box::pin(async move { $module::$case(&fixture).await }),
        },)+)+]
    };
}

/// The cases for a store with these capabilities.
///
/// # Examples
/// ```
/// use cachekit_store::Capabilities;
/// use cachekit_testkit::conformance;
///
/// let cases = conformance::cases(Capabilities::basic(1 << 20));
/// assert!(cases.iter().any(|case| case.name() == "strings::a_missing_key_is_none"));
/// ```
#[must_use]
pub fn cases(capabilities: Capabilities) -> Vec<Case> {
    let mut cases = basic_cases();
    cases.extend(data_cases());
    if capabilities.scripts {
        cases.extend(script_cases());
        cases.extend(if capabilities.clustered {
            list! { script_runs: keys_in_several_slots_are_refused_and_nothing_runs; }
        } else {
            list! { script_runs: keys_may_lie_in_several_slots; }
        });
    } else {
        cases.extend(list! { scripts: without_the_capability_scripts_are_unsupported; });
    }
    if capabilities.pubsub {
        cases.extend(pubsub_cases());
        if capabilities.scripts {
            cases.extend(list! { pubsub: a_script_wakes_those_who_wait_for_its_key; });
        }
    } else {
        cases.extend(list! { pubsub: without_the_capability_channels_are_unsupported; });
    }
    cases
}

fn pubsub_cases() -> Vec<Case> {
    list! {
        pubsub: a_subscriber_gets_what_is_published a_subscription_starts_with_a_gap
            publishing_to_nobody_reaches_nobody messages_of_a_channel_come_in_order
            all_subscribers_of_a_channel_get_each_message a_pattern_gets_the_channels_that_match
            a_pattern_may_match_everything several_channels_share_a_subscription
            a_message_comes_once_however_many_names_match a_dropped_subscription_is_forgotten
            a_name_is_kept_while_anyone_listens_to_it
            a_slow_listener_loses_the_oldest_and_is_told_how_many
            channels_and_payloads_are_any_bytes hundreds_can_listen
            dropped_subscribe_calls_leave_nothing_behind a_request_that_makes_no_sense_is_refused
            a_payload_over_the_limit_is_refused closing_ends_subscriptions_after_what_was_received
            subscriptions_end_with_the_last_handle a_waiter_is_woken_once_for_many_wake_ups;
    }
    .to_vec()
}

fn basic_cases() -> Vec<Case> {
    list! {
        strings: a_missing_key_is_none what_was_set_is_read overwriting_replaces_value_and_ttl
            values_are_any_bytes an_empty_value_is_a_value a_megabyte_survives keys_are_any_bytes
            keys_differ_by_case_and_by_every_byte deleting_counts_what_existed
            deleting_the_same_key_twice_in_one_call_counts_once;
        conditions: if_absent_writes_only_once if_present_writes_only_over
            a_refused_write_changes_neither_value_nor_ttl keep_keeps_a_ttl
            keep_keeps_the_absence_of_a_ttl keep_on_a_missing_key_is_never
            never_removes_a_ttl an_expired_key_is_absent;
        batches: empty_batches_answer_nothing values_come_in_the_order_of_the_keys
            a_key_asked_for_twice_is_answered_twice entries_carry_what_is_left_of_their_life
            writes_answer_in_order_each_by_its_own_condition later_writes_of_a_batch_win
            hundreds_of_keys_go_in_one_batch;
    }
    .to_vec()
}

fn data_cases() -> Vec<Case> {
    list! {
        counters: a_missing_counter_counts_from_zero additions_may_be_negative
            sums_come_in_the_order_of_the_batch a_running_ttl_is_kept
            a_counter_without_a_ttl_is_given_one a_persistent_counter_has_no_ttl
            text_that_is_no_integer_is_refused_and_kept an_overflow_is_refused_and_the_counter_kept
            the_others_of_a_batch_count_although_one_is_refused the_whole_range_can_be_counted
            no_addition_is_lost_under_concurrency;
        expiry: a_key_is_gone_after_its_ttl a_ttl_of_one_millisecond_is_taken
            the_longest_ttl_is_taken expiries_tell_missing_never_and_remaining
            after_replaces_any_ttl if_none_leaves_a_running_ttl at_least_raises_a_shorter_ttl
            at_least_leaves_a_longer_or_absent_ttl never_persists changes_of_missing_keys_are_refused;
        scan: every_key_is_found other_namespaces_are_not_reported
            literals_in_patterns_match_only_themselves pages_are_bounded a_huge_count_is_taken
            keys_that_stay_are_found_while_others_come_and_go deleting_what_matches_spares_the_rest;
        limits: the_largest_small_value_is_taken a_value_over_the_limit_is_refused_and_nothing_written
            one_value_over_the_limit_refuses_the_whole_batch errors_hold_no_values;
        types: get_of_another_type_is_an_error get_many_of_another_type_is_none
            get_entries_of_another_type_is_an_error increment_of_another_type_is_an_error
            set_overwrites_another_type another_type_counts_as_present;
        lifecycle: facts_are_plausible time_goes_forward a_closed_store_answers_closed
            closing_twice_does_no_harm dropped_calls_do_not_disturb_later_ones;
    }
    .to_vec()
}

fn script_cases() -> Vec<Case> {
    list! {
        scripts: replies_come_in_the_order_of_the_calls keys_and_arguments_reach_the_script
            every_kind_of_reply_is_read no_calls_answer_nothing a_failing_script_is_an_error;
        script_keys: exists_and_del_take_every_type pttl_tells_missing_never_and_remaining
            a_life_is_changed_under_its_condition expired_keys_are_absent
            a_write_to_an_expired_key_starts_over single_commands_meet_the_types_that_scripts_write
            scans_and_deletions_take_every_type a_script_reads_what_single_commands_wrote;
        script_strings: get_answers_what_set_wrote set_obeys_its_condition
            set_gives_keeps_and_removes_a_ttl set_overwrites_any_type
            incrby_counts_from_zero_and_keeps_the_ttl incrby_refuses_what_cannot_be_counted;
        script_hashes: hset_counts_new_fields a_field_named_twice_has_its_last_value
            missing_hashes_and_fields_are_nothing hgetall_answers_every_field_with_its_value
            an_emptied_hash_is_gone hincrby_counts_from_zero_and_refuses_what_cannot_be_counted
            writes_to_a_hash_keep_its_ttl hash_commands_refuse_other_types;
        script_sorted_sets: members_are_ordered_by_score_then_bytes zadd_obeys_its_condition
            a_refused_condition_makes_no_set bounds_are_included_excluded_or_absent
            a_range_stops_at_its_limit infinite_scores_come_first_and_last
            the_two_zeros_are_one_score a_score_keeps_microseconds_exactly
            what_is_no_number_is_no_score an_emptied_set_is_gone many_members_come_and_go_in_order
            writes_to_a_set_keep_its_ttl set_commands_refuse_other_types;
        script_runs: no_update_is_lost_among_concurrent_runs
            runs_and_single_commands_do_not_mix a_failing_run_keeps_what_it_wrote
            all_runs_of_a_batch_take_place_although_one_fails a_batch_may_span_slots
            later_runs_of_a_batch_see_earlier_ones publishing_to_nobody_fails_no_script
            now_is_the_wall_clock_in_microseconds now_moves_forward;
    }
    .to_vec()
}

/// Runs all cases that apply to the store; answers how many passed.
///
/// Needs a tokio runtime; for the memory store one with paused time, so that nothing waits.
///
/// # Panics
/// If a case failed, after all have run, with the names and messages of those that did.
///
/// # Cancel safety
/// A dropped run leaves the keys of the running case behind; most of them expire.
pub async fn run(subject: Arc<dyn Subject>) -> usize {
    let cases = cases(subject.store().capabilities());
    let mut failures = Vec::new();
    for case in &cases {
        if let Err(message) = case.run(&subject).await {
            failures.push(format!("{}: {message}", case.name()));
        }
    }
    let (failed, all) = (failures.len(), cases.len());
    assert!(
        failed == 0,
        "{failed} of {all} cases failed on {subject:?}:\n{}",
        failures.join("\n")
    );
    all
}
