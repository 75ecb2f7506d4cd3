"""The classes of attack that are known from other servers, and the tests that deliver each of them here.

The rows are those of the project's list of precedents (signatures and keys, objects, proofs, parsing,
outgoing requests, pages and clients, OAuth, media, privacy, exhaustion). A row without a test does not pass;
nor does a test that is gone.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

INBOX = "federation/test_inbox"
HTTPSIG = "federation/test_httpsig"
CLIENT = "federation/test_client"
FETCH = "federation/test_fetch"
NOTES = "stories/test_notes"
FOLLOWING = "stories/test_following"
LIKE = "federation/test_like"
ANNOUNCE = "federation/test_announce"
ASTRAY = "attacks/test_led_astray"
PRIVACY = "attacks/test_privacy"
DOOR = "attacks/test_door"
FORWARDED = "attacks/test_forwarded"
SIGN_IN = "attacks/test_sign_in"
SWEEPING = "stories/test_sweeping"
API = "attacks/test_client_api"
PAGES = "attacks/test_pages"
FUZZ = "federation/test_fuzz"
ENDPOINTS = "federation/test_endpoints"
BLOCKS = "federation/test_blocks"
LOOKUP = "federation/test_lookup"
PROOF = "keys/test_proof"

BATTERY: dict[str, list[tuple[str, str]]] = {
    # signatures and keys
    "no signature, or garbage": [(INBOX, "a_request_is_believed_on_a_whole_signature_only")],
    "acted on before key owner = actor": [(INBOX, "nobody_speaks_for_another")],
    "key on another host, claimed owner": [
        (INBOX, "a_key_that_its_claimed_owner_does_not_list_is_refused"),
        (INBOX, "a_key_document_that_claims_another_servers_actor_is_refused"),
    ],
    "body not covered; digest twice, other, empty": [
        (INBOX, "a_request_is_believed_on_a_whole_signature_only"),
        (HTTPSIG, "digest_headers"),
        (HTTPSIG, "two_digest_lines_are_refused_and_none_as_well"),
    ],
    "target, host or date not covered": [
        (HTTPSIG, "what_a_cavage_signature_must_cover"),
        (HTTPSIG, "what_an_rfc9421_signature_must_cover"),
    ],
    "replay at another host": [(INBOX, "a_request_moved_to_another_node_is_refused")],
    "replay in time": [(HTTPSIG, "the_window_is_one_hour_either_way")],
    "replay of the same request": [(INBOX, "the_same_request_twice_is_one_activity")],
    "confusion of algorithms": [(HTTPSIG, "the_key_decides_the_algorithm")],
    "duplicate parameters, headers, labels": [
        (HTTPSIG, "two_signature_headers_are_refused"),
        (HTTPSIG, "of_several_labels_the_first_acceptable_one_counts"),
    ],
    "abuse of key rotation": [
        (INBOX, "a_failing_signature_makes_us_ask_once_in_five_minutes"),
        ("federation/test_pins", "a_neighbour_cannot_change_ones_key"),
    ],
    "flood of unknown keys": [
        (INBOX, "unknown_keys_of_one_host_are_not_a_way_to_make_us_ask"),
        (INBOX, "keys_of_real_accounts_are_no_other_way_to_make_us_ask"),
        (INBOX, "a_few_bogus_keys_shut_nobody_out"),
        (INBOX, "what_is_not_there_is_not_asked_for_again_soon"),
        (INBOX, "an_unknown_account_that_deletes_itself_costs_nobody_a_request"),
    ],
    "key fetch without bounds": [
        (ASTRAY, "a_key_that_is_not_to_be_had_costs_one_question"),
        (ASTRAY, "a_key_that_drips_keeps_nobody_waiting"),
    ],
    "private key at rest": [("keys/test_keystore", "files_are_0600_in_a_directory_of_0700")],
    # objects
    "id on another host than its authority": [
        (INBOX, "nobody_speaks_for_another"),
        (FETCH, "another_servers_document_is_asked_for_there"),
    ],
    "attributedTo is not the actor": [(INBOX, "nobody_speaks_for_another")],
    "redirect to another origin": [(FETCH, "a_redirect_to_another_server_lets_it_speak_for_itself_only")],
    "an upload taken for a document": [(FETCH, "an_upload_is_not_a_document")],
    "overwriting by Create": [(NOTES, "a_known_note_is_not_overwritten_by_another_create")],
    "Update or Delete by a neighbour": [(NOTES, "a_neighbour_is_not_the_author")],
    "forgery embedded in a boost": [(ANNOUNCE, "a_boost_cannot_bring_what_its_origin_does_not_give")],
    "Accept of what was never asked": [
        (FOLLOWING, "nobody_accepts_for_another"),
        (FOLLOWING, "an_accept_of_what_was_never_asked_changes_nothing"),
    ],
    "Undo of another's": [
        (LIKE, "nobody_undoes_the_like_of_another"),
        (ANNOUNCE, "only_the_booster_takes_a_boost_back"),
        (ANNOUNCE, "a_neighbours_undo_does_not_use_up_what_comes"),
    ],
    "Move hijack": [("stories/test_moving", "nobody_is_led_away_by_one_sides_word")],
    "Add and Remove on another's featured": [(LIKE, "pins_of_others_are_their_own")],
    "stuffing of votes and likes": [
        (LIKE, "nobody_covers_a_post_with_emojis"),
        ("federation/test_polls", "nobody_else_changes_a_poll"),
    ],
    "actor arrays, embedded actors, rearranged JSON-LD": [(INBOX, "nobody_speaks_for_another")],
    "duplicate and case-variant names": [
        (INBOX, "a_body_that_cannot_be_read_in_one_way_only_is_refused"),
        (ASTRAY, "names_count_as_they_are_written"),
    ],
    "theft of a handle by WebFinger": [(LOOKUP, "another_servers_actor_is_not_shown_under_a_borrowed_handle")],
    "look-alike, bidi and smuggled names": [
        ("stories/test_strangers", "a_friends_double_is_warned_of"),
        ("test_text", "names_read_as_what_they_are"),
    ],
    "an id of ours from outside": [(INBOX, "nobody_speaks_for_another")],
    "junk dates": [(NOTES, "dates_of_others_are_not_believed_beyond_reason")],
    "getting around a block": [
        (BLOCKS, "a_blocked_author_is_not_heard_through_others"),
        (BLOCKS, "a_blocked_domain_is_refused_before_anything_is_fetched"),
        ("test_blocking", "a_host_has_one_spelling"),
    ],
    "what concerns nobody": [(INBOX, "a_note_that_concerns_nobody_here_is_not_kept")],
    # proofs
    "proof by a key that is not the actor's": [(INBOX, "a_proof_that_does_not_hold_is_refused_from_one_who_has_a_key")],
    "'has a proof' taken for 'is proven'": [(INBOX, "something_called_a_proof_is_no_proof")],
    "stripping and downgrade": [(INBOX, "a_post_forwarded_without_its_authors_proof_is_refused")],
    "purpose, suite, expiry": [
        (PROOF, "anything_but_one_proof_of_our_suite_is_no_proof"),
        (PROOF, "expires_is_honoured"),
    ],
    "differences of canonicalisation": [("keys/test_canonical", "three_implementations_write_the_same_bytes")],
    "a proof used for another activity": [
        (INBOX, "a_follow_is_not_believed_on_a_proof"),
        (PROOF, "the_outer_proof_says_nothing_about_the_inner"),
    ],
    # parsing
    "depth, duplicate names, NaN, surrogates": [(INBOX, "a_body_that_cannot_be_read_in_one_way_only_is_refused")],
    "huge arrays, strings and numbers": [
        ("federation/test_parse", "what_hangs_on_a_note_is_bounded"),
        (FUZZ, "spoiled_activities_are_parsed_or_refused"),
    ],
    "wrong types that poison the timeline": [
        (INBOX, "a_wrong_type_anywhere_in_a_note_is_a_refusal_or_harmless"),
        (FUZZ, "spoiled_activities_leave_no_trace_where_refused"),
    ],
    "cycles": [(ASTRAY, "conversations_in_circles_end")],
    "quadratic time": [
        ("test_text", "a_megabyte_of_anything_takes_bounded_time"),
        ("keys/test_canonical", "a_megabyte_of_malice_costs_little"),
    ],
    "XML": [(LOOKUP, "whatever_webfinger_answers_is_an_error_in_our_words")],
    # outgoing requests
    "odd spellings of addresses": [
        (ASTRAY, "a_key_id_leads_nowhere_it_may_not"),
        (ASTRAY, "a_boost_leads_nowhere_it_may_not"),
        (CLIENT, "addresses_that_are_not_public_are_not_dialled"),
    ],
    "redirects": [(CLIENT, "a_redirect_into_a_refused_network_ends_there"), (CLIENT, "three_redirects_and_no_more")],
    "DNS rebinding": [
        (CLIENT, "a_name_that_changes_its_answer_is_checked_again"),
        (CLIENT, "of_mixed_answers_only_the_allowed_address_is_dialled"),
    ],
    "schemes and ports": [(CLIENT, "ports_of_other_services_are_refused")],
    "a forgotten second client": [("test_shape", "there_is_one_door_out")],
    "slow answers": [(CLIENT, "a_dripping_body_meets_the_total_deadline")],
    "endless answers and bombs": [
        (CLIENT, "an_endless_body_stops_at_the_limit"),
        (CLIENT, "a_compressed_answer_is_refused"),
    ],
    "endless collections and chains": [
        ("federation/test_backfill", "an_outbox_without_end_is_left"),
        ("federation/test_backfill", "a_chain_of_parents_ends"),
    ],
    # privacy
    "private posts by any address": [(PRIVACY, "nobody_finds_what_was_not_for_them")],
    "an oracle of existence": [(PRIVACY, "a_private_post_answers_like_one_that_never_was")],
    "delivery to the wrong inbox": [("federation/test_delivery", "a_direct_note_goes_to_its_addressee_alone")],
    "others' private posts passed on": [
        ("stories/test_interactions", "what_is_private_is_not_passed_on"),
        (PRIVACY, "nobody_finds_what_was_not_for_them"),
    ],
    "blocked readers": [(BLOCKS, "a_blocked_reader_is_nobody")],
    "removed readers": [(NOTES, "a_removed_follower_reads_no_more"), (NOTES, "a_forged_signature_opens_nothing")],
    # exhaustion
    "slow heads": [(DOOR, "a_head_that_drips_is_closed"), (DOOR, "a_connection_that_says_nothing_is_closed")],
    "slow bodies": [(INBOX, "a_body_that_does_not_come_is_not_waited_for_long")],
    "connections without end": [(DOOR, "idle_connections_make_room"), (DOOR, "one_address_does_not_take_every_place")],
    "large and compressed bodies": [
        (INBOX, "a_body_over_a_mebibyte_is_refused"),
        (INBOX, "a_compressed_body_is_not_read"),
    ],
    "floods": [
        (INBOX, "a_full_batch_asks_to_come_back"),
        ("federation/test_batch", "one_source_leaves_room_for_others"),
        ("federation/test_delivery", "the_dead_and_the_slow_delay_only_themselves"),
    ],
    "a full disk": [
        (INBOX, "strangers_do_not_fill_the_disk"),
        (SWEEPING, "after_a_flood_everything_is_as_before"),
        (SWEEPING, "deletions_do_not_fill_the_disk"),
        (SWEEPING, "many_servers_have_no_more_room_than_one_that_is_large"),
        (SWEEPING, "a_restart_makes_no_new_room"),
        ("test_docs", "every_table_has_a_bound"),
    ],
    "a pin that is flooded out": [
        (SWEEPING, "a_pin_outlives_its_account"),
        ("storage/test_sweep", "keys_outlive_their_accounts"),
        ("federation/test_pins", "an_account_that_changes_its_keys_for_ever_is_remembered_in_part"),
    ],
    "keys of odd sizes": [
        ("keys/test_transport", "the_modulus_has_2048_to_4096_bits"),
        (INBOX, "keys_that_are_too_small_are_no_keys"),
        ("keys/test_transport", "only_the_usual_exponent_is_accepted"),
    ],
    # HTML, pages, clients
    "script in what strangers write": [(PAGES, "nothing_strangers_write_runs_anywhere")],
    "script in what the owner writes, and in what is said back": [
        (PAGES, "what_the_owner_writes_is_text_as_well"),
        (PAGES, "what_was_asked_is_not_said_back_as_markup"),
    ],
    "policy, framing, sniffing, referrer": [(PAGES, "every_answer_carries_the_policy")],
    "forms of other sites": [
        (SIGN_IN, "a_form_from_elsewhere_does_nothing"),
        (SIGN_IN, "a_form_without_its_token_does_nothing"),
    ],
    "open redirects": [(SIGN_IN, "after_the_login_one_is_still_here")],
    "Host and X-Forwarded": [
        (API, "the_host_header_names_nobody"),
        (FORWARDED, "a_proxy_is_believed_on_the_address_alone"),
    ],
    "private answers in caches": [(PAGES, "what_is_the_owners_is_kept_by_nobody")],
    "line ends in headers": [(API, "an_address_is_no_header")],
    "odd requests to the API": [
        (API, "junk_is_the_askers_fault_on_every_route"),
        (API, "one_field_of_junk_at_a_time"),
        (API, "ids_of_other_kinds_name_nothing"),
        (API, "too_much_of_everything_in_a_post"),
    ],
    "secrets and strangers' words in the log": [
        (SIGN_IN, "secrets_are_kept_as_hashes_and_told_to_no_log"),
        (SIGN_IN, "what_is_no_request_says_nothing_in_the_log"),
    ],
    # OAuth and sessions
    "redirect_uri": [
        (SIGN_IN, "an_address_with_tricks_is_not_registered"),
        (SIGN_IN, "almost_the_registered_address_is_another"),
    ],
    "codes: twice, another app, no secret, PKCE": [
        (SIGN_IN, "a_code_exchanged_side_by_side_gives_one_token_and_then_none"),
        (SIGN_IN, "a_code_that_was_tried_wrongly_is_used_up"),
        ("web/test_signin", "a_code_is_bound"),
    ],
    "escalation of scopes, tokens of apps": [
        (API, "every_route_asks_for_its_scope"),
        (SIGN_IN, "the_form_cannot_ask_for_more_than_the_app_may"),
    ],
    "revoked tokens": [
        (SIGN_IN, "a_token_revoked_while_it_is_looked_up_is_not_remembered"),
        ("web/mastodon/test_streaming", "a_revoked_token_closes_its_streams"),
        ("web/mastodon/test_push", "a_revoked_token_is_told_nothing"),
    ],
    "sessions: fixation, log-out, new password": [
        ("web/test_signin", "each_login_has_a_new_id"),
        ("web/test_signin", "logging_out_ends_it_here_too"),
        (SIGN_IN, "a_new_password_voids_codes_and_sessions"),
    ],
    "guessing": [
        (SIGN_IN, "guesses_made_side_by_side_are_counted_as_well"),
        (SIGN_IN, "nobody_shuts_the_owner_out_for_long"),
    ],
    "tokens in addresses, cookies for tokens": [
        (SIGN_IN, "a_token_in_the_address_or_the_body_opens_streams_alone"),
        (SIGN_IN, "a_session_cookie_opens_nothing_of_the_api"),
    ],
    # media
    "bombs, polyglots, wrong types": [
        ("media/test_upload", "what_is_not_taken"),
        ("media/test_upload", "what_hides_behind_a_picture_is_left_behind"),
    ],
    "metadata": [
        ("media/test_upload", "nothing_tells_where_it_was_made"),
        ("media/test_recorded", "a_recording_is_taken_without_its_metadata"),
    ],
    "paths to files": [
        (PAGES, "a_path_leads_to_no_file"),
        ("media/test_serving", "what_is_no_file_of_ours_is_not_found"),
    ],
    "the cache as a proxy": [("media/test_cache", "it_is_no_open_proxy"), ("media/test_cache", "nothing_leads_inside")],
    # privacy and exhaustion, at the client API
    "private posts by the client API": [(API, "no_route_tells_what_was_not_for_everybody")],
    "an oracle of existence in the client API": [(API, "what_is_hidden_answers_like_what_never_was")],
    "registrations without end": [(SIGN_IN, "names_are_not_a_way_to_fill_the_disk")],
    "forms that are slow, many, compressed": [
        (API, "a_body_that_does_not_come_is_not_waited_for"),
        (API, "forms_of_many_parts_are_refused"),
        (API, "a_compressed_body_is_not_read"),
        (SIGN_IN, "a_form_that_does_not_come_is_not_waited_for"),
    ],
}


@cache
def _tests_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / f"{file}.py").read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(item.name for item in tree.body if isinstance(item, functions))


@pytest.mark.parametrize("row", BATTERY)
def test_each_class_of_attack_is_delivered(row: str) -> None:
    """Every row names tests, and they are there."""
    assert BATTERY[row]
    assert [ref for ref in BATTERY[row] if f"test_{ref[1]}" not in _tests_in(ref[0])] == []
