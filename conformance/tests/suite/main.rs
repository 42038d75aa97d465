//! What nodes and handles do, told once for every runtime: over real sockets on loopback, and in
//! simulation.
//!
//! A case is an async function that is generic over the runtime, in the file of its group, and listed
//! below; one that is not listed is dead code, which the compiler tells of. `backend.rs` has the
//! runtimes. Each test is named `BACKEND::GROUP::CASE`.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case fails where it cannot go on"
)]

mod backend;
mod cancel;
mod changes;
mod delivery;
mod ends;
mod handles;
mod lanes;
mod links;
mod moody;
mod nodes;
mod plain;
mod pressure;
mod records;
mod replies;
mod socket;

/// A test, under one backend. Where there is none of a case in simulation the reason is behind its name.
macro_rules! case {
    (over_sockets $backend:ty: $group:ident $case:ident $($needs:literal)?) => {
        case!(@ $backend: $group $case);
    };
    (simulated $backend:ty: $group:ident $case:ident) => {
        case!(@ $backend: $group $case);
    };
    (simulated $backend:ty: $group:ident $case:ident $needs:literal) => {};
    (@ $backend:ty: $group:ident $case:ident) => {
        #[test]
        fn $case() {
            crate::backend::run::<$backend, _>(
                crate::$group::$case::<<$backend as crate::backend::Backend>::Runtime>,
            );
        }
    };
}

/// One test for each case, under one backend.
macro_rules! cases {
    ($kind:ident $backend:ty: $($group:ident { $($case:ident $(($needs:literal))?)+ })+) => {
        $(mod $group {
            $(case! { $kind $backend: $group $case $($needs)? })+
        })+
    };
}

/// All cases, under one backend.
macro_rules! suite {
    ($kind:ident $backend:ty) => {
        cases! { $kind $backend:
            delivery {
                a_message_goes_there_and_its_receipt_comes_back
                ten_thousand_arrive_in_order_and_hold_the_caller_back
                eight_tasks_share_a_sender
                several_takers_share_the_messages
                a_message_of_every_size_class_arrives_whole
                what_the_application_does_not_want_is_refused_and_the_rest_goes_on
                a_receipt_gives_its_outcome_again_and_tells_its_id
                an_address_in_use_is_named
                the_kernel_gives_socket_buffers ("there is no kernel that could give any")
                ipv4_peers_are_reached_through_a_socket_of_both_families
                handles_are_send_and_sync
            }
            handles {
                outcomes_of_posted_messages_are_read_from_one_stream
                a_flush_ends_when_everything_before_it_is_answered
                what_has_not_begun_can_be_taken_back
                a_sink_is_held_back_by_who_does_not_take_and_flushed_by_who_answers
                a_broadcast_reaches_every_peer_and_names_each_that_it_does_not
                handles_work_on_threads_without_a_runtime ("other threads run while the clock stands")
            }
            ends {
                a_drain_finishes_what_was_accepted_and_accepts_nothing_more
                a_stop_while_nobody_answers_ends_at_its_deadline
                a_second_stop_shortens_the_first
                an_abort_tells_what_was_sent_from_what_was_not
                a_waiting_send_is_handed_its_message_back_by_a_stop
                a_name_is_free_again_once_its_peer_has_stopped
                a_node_stops_with_all_its_peers
                a_listener_that_stops_ends_its_streams_and_its_senders_go_on_without_it
                a_listener_that_drains_still_hears_what_the_application_says
                the_last_node_handle_ends_everything
                an_address_is_free_again_once_its_node_has_stopped
            }
            links {
                a_peer_that_is_not_there_is_dialled_until_it_is
                a_peer_with_another_key_is_not_sent_anything
                a_dialler_that_is_not_trusted_is_told_so_and_is_told_of
                who_accepts_anybody_accepts_anybody
                messages_arrive_once_and_in_order_over_connections_that_are_cut
                each_peer_has_its_own_sender_and_its_name
            }
            pressure {
                a_full_queue_hands_the_message_back
                a_message_above_the_limit_is_handed_back_at_once
                a_consumer_that_does_not_poll_holds_the_sender_back_and_loses_nothing
                the_inbound_budget_bounds_what_waits_for_the_application
                a_send_that_is_given_up_leaves_no_trace
            }
            replies {
                each_request_gets_its_reply_in_order
                a_reply_is_delivered_when_its_application_accepts_it_and_can_be_answered
                replies_go_on_over_connections_that_are_cut
                the_session_of_who_is_gone_is_forgotten_with_what_was_to_be_sent_to_it
                a_session_that_is_stopped_ends_in_good_order_and_a_new_one_takes_its_place
            }
            changes {
                new_addresses_take_the_queue_to_where_the_peer_is_now
                whose_key_is_revoked_is_cut_off_until_it_is_let_in_again
                a_snapshot_says_why_nothing_moves
                a_changed_network_cuts_every_wait_short
            }
            lanes {
                a_lane_whose_messages_are_not_answered_holds_up_no_other
                every_lane_keeps_its_order_and_has_one_counter_of_ids
                a_sender_has_only_the_lanes_that_it_was_given
            }
            plain {
                messages_of_every_size_come_once_both_ways
                what_was_delivered_to_the_transport_reaches_an_application_that_is_late
                what_a_listeners_transport_has_is_given_out_before_it_ends
                a_message_above_the_listeners_limit_is_refused_alone
                another_name_is_told_and_nothing_is_sent
                a_peer_is_configured_for_what_its_node_speaks
                a_lone_message_is_settled_soon
            }
            cancel {
                what_waits_for_room_may_be_dropped_at_any_point
                what_waits_for_news_loses_none_where_it_is_dropped
            }
            records {
                what_one_node_began_another_goes_on_with_once_and_in_order
                replies_go_by_the_node_that_the_dialler_came_back_to
            }
            socket {
                a_socket_that_blocks_is_waited_for
                a_socket_that_fails_costs_datagrams_and_nothing_else
                a_report_of_an_earlier_datagram_costs_no_other
                what_is_too_large_for_the_path_is_cut_smaller
                a_path_that_becomes_narrow_is_found_out
                several_datagrams_at_once_that_are_refused_go_one_by_one
                a_socket_that_does_less_than_it_was_asked_costs_nothing
                a_socket_that_is_taken_away_ends_the_node_with_every_outcome
                a_node_whose_peer_is_not_there_rests_between_attempts
                nodes_that_have_nothing_to_say_rest
            }
        }
    };
}

mod tokio_current_thread {
    suite!(over_sockets crate::backend::TokioCurrentThread);
}

mod tokio_multi_thread {
    suite!(over_sockets crate::backend::TokioMultiThread);
}

mod smol {
    suite!(over_sockets crate::backend::OnSmol);
}

mod async_std {
    suite!(over_sockets crate::backend::OnAsyncStd);
}

mod blocking {
    suite!(over_sockets crate::backend::OnThreads);
}

mod simulated {
    suite!(simulated crate::backend::InSimulation);
}
