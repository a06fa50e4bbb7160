"""Exit codes: one table, one order of precedence."""

from collections.abc import Iterable

CODES = {
    0: "done, nothing to do, or (without --wait) submitted and running",
    1: "failed: service, permission, credentials, network, disk, or a bug of ours",
    2: "only with --detailed-exitcode: there are changes",
    3: "needs a person: a hold, a veto, a missing artefact",
    4: "denied: policy, budget, protection, or approval missing",
    5: "stale: the saved plan or the digest is out of date",
    6: "busy: another run works here, or the quota is full",
    7: "the outcome of a create is not known yet; the next run looks for it",
    8: "still running when --wait timed out, or with --detailed-exitcode",
    9: "finished, but some jobs failed; the others are done",
    64: "wrong usage; no request was sent",
    65: "bad input (spec, dataset, lock, plan); no request was sent",
    130: "stopped by SIGINT, cleanly",
    143: "stopped by SIGTERM, cleanly",
}

ADVICE = {
    0: "go on",
    1: "fail; with --format json it says which, and what was begun",
    2: "go on",
    3: "fail, and tell someone: `tuneops plan` says what to decide",
    4: "fail; the text names the rule, and what would lift it",
    5: "plan again, and have it approved",
    6: "run it again",
    7: "run it again after the settle time (TUNEOPS_SETTLE)",
    8: "run it again, or go on: nothing is wrong",
    9: "look at them: `tuneops status`",
    64: "mend the command",
    65: "mend what it names",
}
"""What a script does about each; about a stop, what it was stopped for."""

PRECEDENCE = (1, 65, 7, 3, 4, 5, 9, 6, 8, 2)


def worst(codes: Iterable[int]) -> int:
    """The code that wins when several apply."""
    found = set(codes)
    return next((code for code in PRECEDENCE if code in found), 0)
