"""How hard the random tests try: `HYPOTHESIS_PROFILE=nightly` tries much harder."""

import os

from hypothesis import HealthCheck, Phase, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

_QUICK = [Phase.explicit, Phase.generate]
"""Without shrinking, which takes minutes: `HYPOTHESIS_PROFILE=nightly` gives the small case."""

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
"""Whether there are hours to spend."""


def effort(examples: int) -> settings:
    """So many examples on each push, the same ones every time; two hundred times more at night."""
    return settings(
        max_examples=examples * 200 if NIGHTLY else examples,
        deadline=None,
        database=None,
        derandomize=not NIGHTLY,
        phases=[Phase.explicit, Phase.generate, Phase.shrink] if NIGHTLY else _QUICK,
        suppress_health_check=_SLOW,
        print_blob=True,
    )
