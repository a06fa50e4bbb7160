"""The fault matrix: every fault that we know, what a run makes of it, and the test that shows it.

The numbers are those of the list that the tool was designed by; none is ever left out. `code` is
the exit code of the run that meets the fault (`tuneops help exit-codes`). A name is a test's file
and its name, or a scenario file. `instead` says where today's meaning differs from the list's.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One row."""

    what: str
    code: str
    shown: tuple[str, ...]
    instead: str = ""


def row(what: str, code: str, *shown: str, instead: str = "") -> Fault:
    return Fault(what, code, shown, instead)


NET = "test_network_faults::test_a_run_meets_the_fault_and_later_ones_end_with_one_job"
BROKEN = (
    "test_broken_answers::test_a_create_whose_answer_breaks_is_sent_once_and_found_or_sent_later"
)
OTHERS = (
    "test_broken_answers::"
    "test_any_other_answer_that_breaks_is_asked_for_again_or_ends_the_run_before_the_create"
)
SEVEN = (
    "test_broken_answers::test_only_seven_statuses_in_googles_own_words_mean_that_nothing_was_made"
)
AGAIN = "test_network_faults::test_what_was_refused_is_sent_again_by_the_next_run_at_once"
GOES_ON = "test_job_faults::test_a_job_that_goes_on_in_whatever_state_is_waited_for"
ENDS = "test_job_faults::test_a_job_that_ends_otherwise_is_not_bought_again"
KILL = "test_kill::test_a_run_that_is_killed_anywhere_is_completed_by_the_next_with_one_job_a_stage"
DISK = "test_disk_faults::test_73_to_76_a_disk_that_fails_at_any_operation_buys_nothing_unseen"
LOCK = "test_disk_faults::test_a_lock_that_cannot_be_trusted_sends_no_request_at_all"
FULL = "test_signals::test_a_disk_that_is_full_is_told_and_buys_nothing_without_memory"
BEFORE = "test_signals::test_a_stop_before_anything_is_sent_buys_nothing"
ON_WIRE = (
    "test_signals::test_a_stop_while_a_create_is_on_the_wire_says_so_and_the_next_run_finds_it"
)
PUSH = "test_stops_at_the_push::test_a_stop_around_the_push_of_the_lock_loses_nothing"
SEEDS = "test_seeds::test_seeds"
PEOPLE = "test_anything_people_do::People"

MATRIX: dict[int, Fault] = {
    1: row("a name that cannot be resolved, at a read", "1", NET),
    2: row("a name that cannot be resolved, at a create", "1", NET, AGAIN),
    3: row("a certificate that cannot be believed", "1", NET),
    4: row("a reset before the request was read", "7", NET, BROKEN),
    5: row(
        "a reset after the job was made",
        "0",
        NET,
        BROKEN,
        "test_exit_codes_that_have_passed::"
        "test_an_answer_that_was_lost_and_found_again_is_no_unknown_outcome",
    ),
    6: row("no answer in time", "0 or 7", NET, BROKEN),
    7: row(
        "a request that lands 100 s later",
        "7, then 0",
        "test_network_faults::test_7_a_request_that_lands_late_is_found_by_the_next_run",
    ),
    8: row(
        "a request that lands after the settle time",
        "0",
        "test_network_faults::test_8_a_request_that_lands_after_the_settle_time_is_cancelled_"
        "and_the_older_job_kept",
    ),
    9: row("an answer that drips", "0 or 7, reads 0 or 1", BROKEN, OTHERS),
    10: row("an answer of more than 20 MB", "7, reads 1", NET),
    11: row("half an answer with 200", "0 or 7, reads 0", NET, BROKEN, OTHERS),
    12: row("HTML with 200", "0 or 7, reads 1", NET, BROKEN, OTHERS),
    13: row(
        "the right JSON under a wrong content type",
        "0",
        "test_network_faults::test_13_a_right_answer_of_the_wrong_content_type_is_an_answer",
    ),
    14: row("keys twice, NaN, halves of characters, depth", "7, reads 1", NET),
    15: row("redirects", "7, reads 1", NET, BROKEN, OTHERS),
    16: row("400 INVALID_ARGUMENT", "1", NET, AGAIN, SEVEN),
    17: row("400 FAILED_PRECONDITION", "1", NET),
    18: row("401 at the first call", "0 or 1", NET),
    19: row(
        "401 on the way",
        "0",
        NET,
        "test_credentials::test_a_read_is_repeated_once_with_a_new_token",
    ),
    20: row(
        "401 as the answer to a create",
        "1",
        NET,
        AGAIN,
        "test_credentials::test_a_create_is_never_repeated",
        instead="the next run creates; this one does not start again from its list",
    ),
    21: row("403 on a create", "1", NET),
    22: row(
        "403 on one of several projects",
        "-",
        "test_engine::test_a_failed_list_stops_the_tick_before_anything_is_done",
        instead="an environment is one project: its list fails, and nothing is done",
    ),
    23: row("an API that is not enabled", "1", NET),
    24: row("404 on a list", "1", NET),
    25: row("404 on a create", "1", NET),
    26: row(
        "a recorded job that is gone",
        "3, 0 while its version lives",
        "job-record-gone.txt",
        "version-deleted.txt",
        "old-jobs-no-longer-listed.txt",
        instead="a job's record may go; what counts is the model version. Nothing is made again",
    ),
    27: row("the parent's version is gone", "3", "version-of-the-root-deleted.txt"),
    28: row("409 on a create", "7", NET, SEVEN),
    29: row(
        "a claim that another run has written",
        "6",
        "test_network_faults::test_29_a_claim_that_another_run_has_just_written_is_left_to_it",
        "test_disk_faults::test_70_of_sixteen_runners_one_creates",
    ),
    30: row(
        "412 on a claim of one's own",
        "0",
        "test_gcs_claims::test_our_own_412_is_a_win",
        "test_claim_refs::test_a_lost_answer_is_found_out_by_looking",
    ),
    31: row("429 with Retry-After, at a read", "0 or 1", NET),
    32: row("429 without it, at a read", "0 or 1", NET),
    33: row(
        "429 on a create",
        "6",
        NET,
        "test_network_faults::test_33_a_quota_that_was_full_is_asked_again_only_after_a_pause",
    ),
    34: row("500, 502, 504 on a create", "0 or 7", NET, SEVEN),
    35: row("503 on a create", "0 or 7", NET, SEVEN),
    36: row("5xx on reads", "0 or 1", NET),
    37: row(
        "5xx on a cancel",
        "0",
        "test_network_faults::test_37_a_cancel_that_is_not_answered_is_asked_for_again",
    ),
    38: row(
        "a cancel that has no effect",
        "8",
        "test_network_faults::test_38_a_job_that_is_cancelled_and_runs_on_is_waited_for",
    ),
    39: row("a list that loops", "0 or 1", "test_job_faults::test_39_a_list_that_loops_is_no_list"),
    40: row(
        "one job on two pages",
        "0",
        "test_vertex_reads::test_one_job_on_two_pages_is_one_job_at_its_newest",
    ),
    41: row(
        "a page token that expires",
        "0 or 1",
        "test_job_faults::test_41_a_page_token_that_expires_starts_the_pass_again",
    ),
    42: row(
        "an empty page with a token",
        "0",
        "test_job_faults::test_42_an_empty_page_with_a_token_is_not_the_end",
    ),
    43: row(
        "a new job that is not listed for 120 s",
        "7",
        "test_job_faults::test_43_a_job_that_the_list_does_not_show_yet_is_not_bought_again",
        SEEDS,
    ),
    44: row(
        "a list that goes back in time",
        "0",
        "test_job_faults::test_44_a_job_that_was_listed_and_is_not_any_more_is_asked_for",
        SEEDS,
    ),
    45: row(
        "jobs of other places in the list",
        "0",
        "test_vertex_reads::test_jobs_of_other_places_are_left_out",
    ),
    46: row(
        "a job without the labels that it was given",
        "0",
        "test_job_faults::test_46_a_job_that_lost_its_labels_is_still_ours_by_its_name",
        "test_job_faults::test_46_a_job_that_lost_labels_and_answer_is_found_by_its_description",
        "test_job_faults::test_46_an_answer_that_is_lost_with_the_labels_is_found_at_once",
        SEEDS,
    ),
    47: row(
        "a job of somebody else with our labels",
        "3",
        "test_copied_jobs::test_a_running_copy_is_left_alone",
        "test_copied_jobs::test_a_corrected_copy_of_a_failed_job_is_not_its_result",
        PEOPLE,
        instead="the fields that the recorded recipe set are compared",
    ),
    48: row(
        "CANCELLING for a day",
        "8",
        "test_network_faults::test_38_a_job_that_is_cancelled_and_runs_on_is_waited_for",
    ),
    49: row("PENDING, or waiting for a quota, for hours", "0", GOES_ON),
    50: row("PAUSED, UPDATING", "0", GOES_ON),
    51: row("FAILED", "9", ENDS, "failed-retry.txt", "failed-retry-used-up.txt"),
    52: row("FAILED with a usable version", "3", "failed-usable-version.txt"),
    53: row("EXPIRED", "9", ENDS, "expired.txt"),
    54: row("PARTIALLY_SUCCEEDED", "3", ENDS, "partially-succeeded.txt"),
    55: row(
        "SUCCEEDED without a model",
        "0",
        "test_job_faults::test_55_a_success_without_a_model_is_no_result",
    ),
    56: row("the wanted checkpoint is missing", "3", "checkpoint-missing.txt"),
    57: row("a state that is new to us", "0", GOES_ON, "unknown-state.txt"),
    58: row(
        "an ended job that runs again",
        "0",
        "test_job_faults::test_58_a_job_that_comes_back_to_life_takes_no_result_away",
    ),
    59: row(
        "a job without a createTime",
        "0",
        "test_job_faults::test_59_a_job_without_a_time_is_ordered_by_its_number",
        "test_translate::test_a_job_without_times_is_the_youngest",
    ),
    60: row(
        "two jobs of one key",
        "0",
        "two-live-jobs-of-one-key.txt",
        "test_twins::test_two_runs_never_cancel_each_others_choice",
        "test_guards::test_without_a_shared_guard_one_job_of_a_key_survives_two_further_runs",
    ),
    61: row(
        "a version that somebody else has used before us",
        "0",
        "test_adoption::"
        "test_a_tuned_model_is_continued_from_the_version_that_its_name_meant_when_pinned",
    ),
    62: row("SIGINT before anything is sent", "130", BEFORE),
    63: row("SIGINT while a create is on the wire", "130", ON_WIRE),
    64: row(
        "a second SIGINT",
        "130",
        "test_signals::test_a_second_interrupt_ends_it_at_once_and_loses_nothing",
    ),
    65: row("SIGTERM, SIGHUP", "143", BEFORE, ON_WIRE, PUSH),
    66: row("SIGKILL anywhere", "-", KILL, PUSH),
    67: row(
        "the power fails",
        "-",
        KILL,
        "test_journal::test_a_journal_cut_off_at_any_byte_still_tells_all_whole_lines",
    ),
    68: row(
        "a process that sleeps between claim and create",
        "6, or 0 when it finds the job",
        "test_signals::test_a_run_that_was_stopped_over_a_take_over_sends_nothing",
        "test_signals::test_a_run_that_slept_between_its_mark_and_its_create_sends_nothing",
        instead="it has sent nothing, so it is 6 and not 7",
    ),
    69: row(
        "two runners in the same second",
        "0 and 6",
        "test_guards::test_two_clones_that_apply_at_once_buy_every_stage_once",
        "test_protocol_schedules::test_every_interleaving_of_two_runs_posts_once",
    ),
    70: row(
        "sixteen runners",
        "0 and 6",
        "test_disk_faults::test_70_of_sixteen_runners_one_creates",
        "test_claim_refs::test_one_of_sixteen_wins_in_each_of_25_rounds",
    ),
    71: row(
        "a run that never starts",
        "-",
        PEOPLE,
        instead="every run looks at the whole world, so one that is missing changes nothing",
    ),
    72: row(
        "a clock that is wrong, or jumps",
        "0, or 6 when it jumps before a create",
        "test_disk_faults::test_72_a_wrong_clock_changes_nothing",
        "test_disk_faults::test_72_a_clock_that_jumps_before_the_create_sends_nothing",
    ),
    73: row(
        "no space for the journal or the claim",
        "1",
        DISK,
        FULL,
        "test_disk_faults::test_73_a_disk_that_refuses_exactly_the_claim_is_told_whatever_the_call",
    ),
    74: row("no space for the lock, after a create", "1", DISK, FULL),
    75: row(
        "a checkout that cannot be written",
        "1",
        DISK,
        "test_signals::test_a_folder_that_cannot_be_written_buys_nothing",
    ),
    76: row("a sync that fails", "1", DISK, "test_files::test_a_disk_that_cannot_sync_is_an_error"),
    77: row(
        "a stop between the temporary file and its new name",
        "0",
        KILL,
        "test_disk_faults::test_77_a_temporary_file_of_a_dead_run_is_in_nobodys_way",
        instead="it stays beside the lock, and is named so that git and people see it",
    ),
    78: row("a lock that is a link, a folder, a pipe", "65", LOCK),
    79: row("a lock with merge markers", "65", LOCK),
    80: row("a lock that is cut off or empty", "65", LOCK),
    81: row(
        "a lock that was deleted",
        "0",
        "test_disk_faults::test_81_a_lock_that_was_deleted_is_found_again_in_the_jobs",
        "test_planner_laws::test_a_lost_lock_is_written_again_from_the_jobs_alone",
    ),
    82: row(
        "a lock of an old branch",
        "0",
        "test_disk_faults::test_82_a_lock_of_an_old_branch_is_caught_up",
        "test_forks::test_a_checkout_without_the_newest_lock_buys_and_stops_nothing",
        PEOPLE,
    ),
    83: row("a lock that a newer tuneops wrote", "65", LOCK),
    84: row(
        "somebody pushed a lock first",
        "0",
        "test_lock_travel::test_a_push_that_comes_too_late_is_made_again_from_what_was_first",
        "test_lock_travel::test_many_who_push_at_once_lose_nothing",
        "test_merge_driver::test_two_branches_that_both_applied_become_one_lock_and_one_plan",
        PUSH,
    ),
    85: row(
        "a lock that cannot be pushed",
        "unchanged",
        "test_lock_travel::test_a_remote_that_takes_no_push_says_why",
        "test_lock_travel::test_a_remote_that_cannot_be_reached_is_said_and_not_raised",
        "test_canary::test_what_git_says_of_a_remote_is_shown_without_its_secrets",
    ),
    86: row(
        "no git, a shallow clone, a detached HEAD",
        "0 on an emulator",
        "test_disk_faults::test_86_without_git_a_plan_is_made_and_an_apply_on_an_emulator_too",
        "test_claim_refs::test_any_kind_of_checkout_will_do",
    ),
    87: row(
        "a claim store that does not answer",
        "1",
        "test_disk_faults::test_87_without_the_guard_nothing_is_created",
        "test_guards::test_a_remote_that_is_gone_lets_nothing_be_bought",
    ),
    88: row(
        "a claim that is garbage",
        "3, or 7 while its create is unanswered",
        "test_disk_faults::test_88_a_claim_that_is_garbage_is_for_a_person",
        "test_guards::test_a_claim_that_is_garbage_is_for_a_person",
    ),
    89: row(
        "an emulator that was emptied",
        "3",
        "test_disk_faults::test_89_a_service_that_forgot_everything_is_not_sold_to_again",
        "test_exit_codes::test_3_is_a_hold",
    ),
    90: row(
        "an emulator that gives the same ids again",
        "3",
        "test_disk_faults::test_89_a_service_that_forgot_everything_is_not_sold_to_again",
        instead="ids are drawn at random, so a new world has none of the old ones",
    ),
    91: row(
        "a stdout that is closed, or has no room for our signs",
        "unchanged",
        "test_signals::test_an_apply_whose_stdout_nobody_reads_is_done_all_the_same",
        "test_golden::test_a_reader_that_goes_away_is_no_fault",
        "test_golden::test_a_screen_without_our_signs_gets_others",
    ),
    92: row(
        "a bug of ours",
        "1",
        "test_disk_faults::test_92_a_bug_at_the_create_is_said_to_be_one_and_the_job_is_found",
    ),
}
