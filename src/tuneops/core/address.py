"""Where a desired job lives: `ticket-router`, or `support-bot/week-32` (chain/stage)."""

import re
from dataclasses import dataclass

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Names of workspaces, environments, jobs, chains and stages (semantics, section 1)."""

LIMIT = 63
"""The longest address and owner, in characters: what a Google label value may hold."""

_LABEL_SEPARATOR = "__"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """The name of one desired job; `stage` is empty for a job that stands alone."""

    name: str
    stage: str = ""

    def __str__(self) -> str:
        return f"{self.name}/{self.stage}" if self.stage else self.name

    @property
    def label(self) -> str:
        """The address in the alphabet of Google's labels. Names hold no `_`, so it reads back."""
        return f"{self.name}{_LABEL_SEPARATOR}{self.stage}" if self.stage else self.name

    @staticmethod
    def parse(text: str) -> "Address":
        """Read `name` or `name/stage`; the text is taken as it is, without checking the names."""
        name, _, stage = text.partition("/")
        return Address(name, stage)

    @staticmethod
    def from_label(value: str) -> "Address":
        """Read back what `label` wrote."""
        name, _, stage = value.partition(_LABEL_SEPARATOR)
        return Address(name, stage)
