"""`make side-by-side`: the same stories, told of terraform and of tuneops, as one table."""

import sys
import tempfile
from pathlib import Path

from tests.e2e.conftest import Nursery
from tests.side_by_side import ours, theirs
from tests.side_by_side.table import DOCUMENTED, MEASURED, STORIES, Outcome, table


def main() -> int:
    """Live through all of them; 1 when tuneops bought twice or forgot something."""
    name = theirs.version()
    mine: dict[str, Outcome] = {}
    others: dict[str, Outcome] = dict(DOCUMENTED)
    nurseries = [Nursery(), Nursery()]
    with tempfile.TemporaryDirectory(prefix="tuneops-side-by-side-") as folder:
        for key in STORIES:
            for who in ("ours", "theirs"):
                (Path(folder) / key / who).mkdir(parents=True)
            mine[key] = ours.live(key, Path(folder) / key / "ours", nurseries)
            if name is not None:
                others[key] = theirs.live(key, Path(folder) / key / "theirs")
    for nursery in nurseries:
        nursery.close()
    if name is None:
        print(f"There is no terraform here; its column was {MEASURED}.\n")
    print(table(mine, others, name or "terraform"), end="")
    bad = ("bought twice", "forgot a job", "told", "printed raw")
    return int(any(outcome.verdict in bad for outcome in mine.values()))


if __name__ == "__main__":
    sys.exit(main())
