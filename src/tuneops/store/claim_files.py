"""The creation guard for one checkout: a file for each claim, changed by compare-and-swap."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuneops import strict
from tuneops.core.claim import Claim
from tuneops.errors import DiskError
from tuneops.store import claim_record, files


class FileClaims:
    """Claims as files below `.tuneops/claims/<environment>/`; they are never deleted."""

    def __init__(self, folder: Path, environment: str) -> None:
        self._folder = folder / "claims" / environment

    def read(self, key: str) -> tuple[Claim, str] | None:
        """See `ClaimStore`. ClaimDamaged when the file is garbage, which only a person mends."""
        path = self._path(key)
        shown = f"`{path.name}`"
        try:
            content = files.read(path)
        except files.NotARegularFileError as fault:
            raise claim_record.damaged(shown, "it is not a regular file") from fault
        if content is None:
            return None
        try:
            value: Any = strict.decode(content)
        except strict.Malformed as fault:
            raise claim_record.damaged(shown, str(fault)) from fault
        claim = claim_record.load(value, key, shown)
        generation = value.get("generation")
        if not isinstance(generation, str) or not generation.isdecimal():
            raise claim_record.damaged(shown, "it has no generation")
        return claim, generation

    def swap(self, claim: Claim, expected: str | None) -> str | None:
        """Write the record if its generation is still `expected`; give the new generation."""
        path = self._path(claim.key)
        with _alone(path):
            found = self.read(claim.key)
            if (found[1] if found else None) != expected:
                return None
            generation = str(int(expected or "0") + 1)
            value = {**json.loads(claim_record.dump(claim)), "generation": generation}
            text = json.dumps(value, indent=2, sort_keys=True)
            files.write(path, text.encode() + b"\n", private=True)
            return generation

    def _path(self, key: str) -> Path:
        assert key.isalnum(), "a creation key is base32"
        return self._folder / f"{key}.json"


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other writers of claims away for the length of a `with`; DiskError where that fails."""
    from filelock import FileLock  # brings asyncio: not for those that only look

    guard = FileLock(path.parent / ".guard")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        guard.acquire()
    except OSError as fault:
        raise DiskError(f"cannot write `{files.shown(path)}`: {fault.strerror}") from fault
    try:
        yield
    finally:
        guard.release()
