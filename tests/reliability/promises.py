"""What tuneops promises, how it keeps that, what is left, and the tests that show it.

No figure is typed here: those that the document shows are counted when it is written.
"""

from dataclasses import dataclass

from tests.faults.matrix import BROKEN, DISK, KILL, LOCK, NET, ON_WIRE, OTHERS, PEOPLE, SEVEN


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise."""

    says: str
    how: str
    left: str
    shown: tuple[str, ...]


NOTHING = "Nothing that we know."

PROMISES: tuple[Promise, ...] = (
    Promise(
        "At most one create is ever processed for a creation key, whatever stops, gets lost or "
        "runs at the same time, as long as all runners share a claim store.",
        "A claim that is written by compare-and-swap and never given up; a fenced `issued` mark "
        "before the POST; one POST for each mark; a take-over only after the settle time and "
        "complete lists that do not show the job.",
        "A POST that reaches the service later than the settle time after its mark, such as one "
        "that a proxy kept: two jobs, found by their labels, the younger one cancelled.",
        (
            "test_every_schedule::test_every_schedule_buys_exactly_once",
            "test_seeds::test_seeds",
            "test_guards::test_two_clones_that_apply_at_once_buy_every_stage_once",
            "test_signals::test_a_run_that_was_stopped_over_a_take_over_sends_nothing",
            "test_signals::test_a_run_that_slept_between_its_mark_and_its_create_sends_nothing",
            (
                "test_broken_answers::"
                "test_an_answer_that_comes_twice_is_not_taken_for_that_to_the_next_claim"
            ),
            PEOPLE,
        ),
    ),
    Promise(
        "Without a shared claim store, one job of a key is left after two further runs, and the "
        "oldest useful one is never cancelled.",
        "Labels, and an order of twins that all runners agree on: live and succeeded ones first, "
        "then the oldest by createTime and id.",
        "The second job exists until a run sees both. What that costs is not known.",
        (
            "test_twins::test_without_shared_claims_one_job_a_key_is_left_at_the_end",
            "test_twins::test_two_runs_never_cancel_each_others_choice",
            "test_guards::test_without_a_shared_guard_one_job_of_a_key_survives_two_further_runs",
            (
                "test_network_faults::test_8_a_request_that_lands_after_the_settle_time_is_cancelled_"
                "and_the_older_job_kept"
            ),
        ),
    ),
    Promise(
        "One run sends at most one create for a key, and no layer below sends it again.",
        "A transport of our own for creates: a new connection, no retries, no redirects, an end "
        "to the call as a whole.",
        "A proxy that replays requests. Two jobs with one mark show it.",
        (
            BROKEN,
            SEVEN,
            "test_create_on_the_wire::test_an_answer_cut_off",
            "test_create_on_the_wire::test_a_redirect_is_not_followed",
            "test_credentials::test_a_create_is_never_repeated",
        ),
    ),
    Promise(
        "Not knowing is a state of its own, with its own exit code, and survives the process.",
        "An intent in journal and lock, and the claim's `issued` mark, before the POST.",
        "If claim, journal and lock are all lost after the POST, the labels are the last trace; "
        "where the service drops them, the last line of the description.",
        (
            NET,
            ON_WIRE,
            "test_exit_codes::test_7_is_a_create_without_an_answer_and_the_next_run_finds_its_job",
            "test_vertex_create::test_whatever_else_is_no_answer",
            "test_job_faults::test_46_a_job_that_lost_labels_and_answer_is_found_by_its_description",
        ),
    ),
    Promise(
        "A job that is not ours is never cancelled.",
        "Owner label, known in the lock, a claim of this repository that names its mark, recorded "
        "settings compared with a fresh get, and a plan that a person approved or the tip of the "
        "default branch.",
        "A copy of the repository with its claims, such as a mirror, counts as the same owner.",
        (
            "test_copied_jobs::test_a_running_copy_is_left_alone",
            "test_stopping::test_a_job_that_changed_hands_since_the_plan_is_left_alone",
            "job-of-somebody-else.txt",
            "stray-with-other-settings.txt",
            "test_job_faults::test_a_lock_that_was_edited_to_another_job_is_said_and_mended",
            "test_forks::test_a_fork_stops_nothing_whatever_it_changes",
            "test_forks::test_a_namesake_with_other_specs_leaves_the_jobs_alone_and_says_it",
            PEOPLE,
        ),
    ),
    Promise(
        "Nothing is decided on a part of what there is.",
        "A list counts when every page was whole and the last had no token; else the pass is "
        "thrown away.",
        "The service may forget old jobs; what the lock knows stays known.",
        (
            "test_vertex_reads::test_one_odd_page_throws_the_pass_away",
            "test_engine::test_a_failed_list_stops_the_tick_before_anything_is_done",
            "test_job_faults::test_39_a_list_that_loops_is_no_list",
            OTHERS,
        ),
    ),
    Promise(
        "No entry of a lock is lost, and a lost lock is written again from the jobs.",
        "Files are replaced in one step; locks are merged by creation key; all that a lock knows "
        "is in labels, the machine line and the API; what became of a job since it was made, and "
        "no spec says, is in its claim; what could not be written there is noted in the lock, and "
        "kept by the next run that can.",
        "Where claims are lost as well, who asked for a cancel, what an alias was on before, new "
        "names and edited policies of jobs without a spec are not known, which `lock rebuild` "
        "says. A pin that was moved and "
        "not trained on, a job adopted by a spec that is gone, and what no claim could be told "
        "yet, are in the lock alone.",
        (
            KILL,
            "test_merge::test_nothing_that_either_side_knows_is_lost",
            "test_lost_bytes::test_after_any_history_a_lost_lock_comes_back_byte_for_byte",
            "test_when_memory_fails::test_what_could_not_be_kept_in_a_claim_is_kept_by_a_later_run",
            "test_rebuild::test_after_any_history_the_rebuilt_lock_has_every_entry_of_the_lost_one",
            "test_lock_travel::test_many_who_push_at_once_lose_nothing",
            PEOPLE,
        ),
    ),
    Promise(
        "No money without memory.",
        "Before a create the run proves that it can write journal and lock; when a write fails, "
        "nothing more is begun.",
        "The disk can fill between proof and answer: then journal, claim and label hold the job.",
        (
            DISK,
            "test_signals::test_a_disk_that_is_full_is_told_and_buys_nothing_without_memory",
            "test_signals::test_a_folder_that_cannot_be_written_buys_nothing",
        ),
    ),
    Promise(
        "An apply does what was shown, or refuses before its first write.",
        "The plan is made anew and compared by its semantic digest; what lies in a plan file is "
        "never executed.",
        "The world can change after the comparison: the claim and the list before each create "
        "cover that.",
        (
            "test_side_by_side::test_our_half_of_a_story",
            "test_tampered_plans::test_a_plan_file_with_one_change_runs_what_was_shown_or_nothing",
            "test_values::test_an_approval_covers_its_own_plan_and_nothing_of_others",
            (
                "test_random_worlds::"
                "test_the_first_plan_announces_every_create_and_every_cancel_of_all_later_rounds"
            ),
        ),
    ),
    Promise(
        "Bad input never reaches the API.",
        "All files are read and judged before a connection is opened.",
        "The service may be stricter: then it refuses, and the next run may try again.",
        (
            LOCK,
            "test_specfiles::test_findings_are_exactly_the_marks",
            "test_exit_codes::test_65_is_a_spec_error_and_nothing_is_touched",
        ),
    ),
    Promise(
        "After the last fault, everything is settled within two runs that are the settle time "
        "apart.",
        "Every run looks at the whole world; nothing depends on having seen an event.",
        "What a person has to decide stays a hold until then.",
        (PEOPLE, "test_seeds::test_seeds", NET, BROKEN),
    ),
    Promise(
        "A run on a settled world changes nothing: no request that writes, the same bytes in the "
        "lock.",
        "One spelling of a lock; no times of runs in it.",
        NOTHING,
        (PEOPLE, NET, BROKEN, "test_planner_laws::test_a_settled_world_is_stable"),
    ),
    Promise(
        "Not found never means create.",
        "A rule of the planner: what the lock knows and the service does not is a hold.",
        "A person has to decide what is to become of it.",
        (
            "job-record-gone.txt",
            "version-deleted.txt",
            "test_disk_faults::test_89_a_service_that_forgot_everything_is_not_sold_to_again",
        ),
    ),
    Promise(
        "What is new to us is neither an end nor an absence.",
        "Open lists of words: an unknown state is in progress, and shown as it is.",
        "A new kind of failure makes us wait, in sight.",
        (
            "unknown-state.txt",
            "test_job_faults::test_a_job_that_goes_on_in_whatever_state_is_waited_for",
            "test_translate::test_what_is_new_to_us_is_kept_or_left_alone",
        ),
    ),
    Promise(
        "An upgrade buys nothing.",
        "The version of the hash is in the label; published hashes and lock bytes are tests that "
        "are never edited.",
        NOTHING,
        (
            "test_fingerprints::test_a_published_hash_never_changes",
            "test_lock_laws::test_the_published_bytes_of_a_lock_never_change",
            "test_claim_files::test_a_claim_that_an_older_version_wrote_is_read",
            PEOPLE,
        ),
    ),
    Promise(
        "A stage starts from an exact version and checkpoint.",
        "Aliases and defaults are resolved once and pinned in the lock.",
        "Somebody may delete that version: then the stage is blocked.",
        (
            "test_pins::test_an_alias_that_moves_later_is_no_cause_with_or_without_a_lock",
            "version-of-the-root-deleted.txt",
            "checkpoint-missing.txt",
        ),
    ),
    Promise(
        "Secrets do not leave the process.",
        "The token lives in one object without words; specs that look like holding a credential "
        "are refused without repeating it; what a service, a proxy or git repeats of a token is "
        "taken out where it comes in. Every run of the fault tests is given secrets, which are "
        "then looked for in all that it leaves.",
        "A secret that looks like none, in a display name.",
        (
            "test_auth::test_no_token_reaches_words_or_reprs",
            "test_auth::test_the_token_goes_to_google_only",
            "test_specfiles::test_secrets_are_never_shown",
            "test_credentials::test_a_refused_login_shows_the_reason_and_no_secret",
            "test_canary::test_what_a_stranger_repeats_of_a_token_is_shown_nowhere",
            "test_canary::test_what_git_says_of_a_remote_is_shown_without_its_secrets",
            "test_canary::test_every_row_is_met_by_a_run_that_is_given_secrets_or_is_named",
        ),
    ),
    Promise(
        "What is printed is inert.",
        "Text from outside is made harmless at the one place where each format is written.",
        NOTHING,
        (
            "test_findings_text::test_text_is_inert",
            "test_log_orders::test_the_old_spelling_of_an_order_is_written_out",
            "test_side_by_side::test_our_half_of_a_story",
        ),
    ),
    Promise(
        "No decision is made by the clock of this machine.",
        "Ages and order come from the service; this machine's clock is asked only whether the run "
        "was held up, and then it steps back.",
        "The service's clock is read to the second.",
        (
            "test_house::test_pure_rooms_never_ask_what_time_it_is",
            "test_disk_faults::test_72_a_wrong_clock_changes_nothing",
            "test_planner_laws::test_the_settle_time_is_counted_from_the_services_clock",
            "test_vertex_reads::test_a_list_without_the_service_s_clock_is_unavailable",
        ),
    ),
    Promise(
        "SIGINT, SIGTERM and SIGHUP end a run at once with a report that is true; SIGKILL is safe "
        "at every instruction.",
        "What is under way is on disk before it begins; a stop reads it from there.",
        NOTHING,
        (
            ON_WIRE,
            KILL,
            "test_signals::test_a_second_interrupt_ends_it_at_once_and_loses_nothing",
            (
                "test_crash_anywhere::"
                "test_a_run_that_stops_at_any_instant_is_continued_without_a_second_purchase"
            ),
        ),
    ),
    Promise(
        "Everything has bounds: input, nesting, pages, time, and money where a budget is declared.",
        "Limits at each reader; a ceiling is checked before the first create, and once more before "
        "each: by the list, and by what other runs have reserved in the claim store.",
        "Without a declared budget the plan is the bound. A month counts what can be seen: the "
        "locks of other environments as this checkout has them, and the jobs of this project and "
        "location. Runs that share no claim store can pass one ceiling in the same moment. An "
        "estimate can be too low; the bill is what counts then, and nothing more is bought.",
        (
            "test_spec_parse::test_large_files_and_texts_are_refused",
            "test_vertex_reads::test_tokens_without_end_are_no_list",
            "test_vertex_reads::test_no_wish_is_followed_past_the_limits",
            "test_rules::test_a_ceiling_counts_the_whole_plan_and_its_last_cent",
            "test_one_ceiling::test_every_schedule_of_runs_under_one_ceiling",
            ("test_one_ceiling::test_a_run_in_the_middle_of_another_never_makes_them_buy_twice"),
        ),
    ),
    Promise(
        "The emulator is not taken for the cloud, nor the cloud for it.",
        "Loopback only; a real token goes to Google's hosts only; a lock names its target and is "
        "refused by another.",
        NOTHING,
        (
            "test_vertex_endpoints::test_a_pretended_service_never_goes_with_a_real_bucket",
            "test_auth::test_the_emulator_s_bearer_stays_here",
            "test_auth::test_the_token_goes_to_google_only",
        ),
    ),
    Promise(
        "A refusal says what was found, whether money may have been spent, and what to type next.",
        "Faults are values with a code, notes and help; every code of the specs has a fixture.",
        "What the service says is repeated as it is.",
        (
            "test_spec_slugs::test_every_slug_has_a_fixture",
            "test_exit_codes::test_every_code_of_the_table_has_a_test_here",
            NET,
        ),
    ),
)
