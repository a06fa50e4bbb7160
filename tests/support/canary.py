"""Secrets that every run here is given, and a look for them into all that a run leaves behind.

The bearer and the variables look like no secret that we know the form of: what hides them must know
them, or never have come near them.
"""

import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

MARK = "c4n4ryOf7uneops"
"""Part of every secret below; nobody writes this by chance."""

BEARER = f"bearer/{MARK}+of+every+request="
ENVIRONMENT = {
    name: f"{name.lower()}-{MARK}-of-the-environment"
    for name in (
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "GH_TOKEN",
        "GITHUB_TOKEN",
        "GIT_CONFIG_VALUE_9",
        "GOOGLE_OAUTH_ACCESS_TOKEN",
    )
}
"""What a runner has at hand: git's, GitHub's and Google's tokens."""


def _spellings() -> Iterator[bytes]:
    mark = MARK.encode()
    yield mark
    yield mark.hex().encode()
    for skipped in range(3):
        yield b64encode(b"\0" * skipped + mark)[4 if skipped else 0 : -4]


SPELLINGS = tuple(_spellings())
"""The mark as it is, in hexadecimal, and within anything in base64."""


def shows(content: bytes) -> bool:
    """Say whether a secret can be read in it."""
    return any(spelling in content for spelling in SPELLINGS)


def leaks(*folders: Path, said: str = "") -> list[str]:
    """Where a secret can be read: what was said, every file in the folders, every git object."""
    found = ["what was said"] if shows(said.encode("utf-8", "replace")) else []
    for folder in folders:
        for path in (folder, *sorted(folder.rglob("*"))):
            if path.is_symlink() or not path.is_file() or ".git" in path.parts:
                continue
            if shows(path.read_bytes()):
                found.append(str(path))
        if any((folder / name).exists() for name in (".git", "objects")) and shows(
            _objects(folder)
        ):
            found.append(f"{folder}: a git object")
    return found


def _objects(folder: Path) -> bytes:
    words = ("cat-file", "--batch", "--batch-all-objects", "--buffer")
    return subprocess.run(["git", "-C", folder, *words], capture_output=True, check=True).stdout
