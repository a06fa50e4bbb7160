"""The creation guard for one checkout: a file for each claim, changed by compare-and-swap."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from tuneops.core.claim import Claim
from tuneops.errors import DiskError
from tuneops.store import files, strict


class FileClaims:
    """Claims as files below `.tuneops/claims/<environment>/`; they are never deleted."""

    def __init__(self, folder: Path, environment: str) -> None:
        self._folder = folder / "claims" / environment

    def read(self, key: str) -> tuple[Claim, str] | None:
        """The record and its generation; DiskError when it is garbage, which only a person mends.

        Garbage must not read as "no claim": that would allow a second create.
        """
        content = files.read(self._path(key))
        if content is None:
            return None
        try:
            value: Any = strict.loads(content.decode())
            return _adapter().validate_python(value["claim"]), str(value["generation"])
        except (
            UnicodeDecodeError,
            strict.DamagedError,
            ValidationError,
            KeyError,
            TypeError,
        ) as fault:
            raise DiskError(
                f"the claim `{self._path(key).name}` cannot be read; nothing was created",
                help="remove it only when you know that no other run is creating this job",
            ) from fault

    def swap(self, claim: Claim, expected: str | None) -> str | None:
        """Write the record if its generation is still `expected`; give the new generation."""
        path = self._path(claim.key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise DiskError(f"cannot write `{path}`: {fault.strerror}") from fault
        with FileLock(path.parent / ".guard"):
            found = self.read(claim.key)
            if (found[1] if found else None) != expected:
                return None
            generation = str(int(expected or "0") + 1)
            value = {
                "claim": _adapter().dump_python(
                    claim, mode="json", by_alias=True, exclude_none=True
                ),
                "generation": generation,
            }
            files.write(path, json.dumps(value, indent=2, sort_keys=True).encode() + b"\n")
            return generation

    def _path(self, key: str) -> Path:
        assert key.isalnum(), "a creation key is base32"
        return self._folder / f"{key}.json"


@cache
def _adapter() -> TypeAdapter[Claim]:
    return TypeAdapter(Claim)
