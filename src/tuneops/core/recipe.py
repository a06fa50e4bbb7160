"""What to train, from what, on what: everything that affects the trained weights, fully resolved.

Field names become camelCase on disk (`SPELLING`), where they are the service's own words.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal


def camel(name: str) -> str:
    """Spell a field as the service does: `epoch_count` → `epochCount`, `from_` → `from`."""
    if "_" not in name:
        return name
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


SPELLING = {"alias_generator": camel, "extra": "forbid", "populate_by_name": True}
"""How values are spelled in a file; pydantic reads it, which the core never imports."""


class Method(StrEnum):
    """The tuning methods of the service's v1 surface."""

    SUPERVISED = "supervised"
    PREFERENCE = "preference"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtEpoch:
    """The checkpoint written after this epoch, counted from 1."""

    __pydantic_config__ = SPELLING
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AtStep:
    """The checkpoint written after this training step."""

    __pydantic_config__ = SPELLING
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WithId:
    """The checkpoint with this id."""

    __pydantic_config__ = SPELLING
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The checkpoint with the lowest value of a metric; with the highest where `goal` says so."""

    __pydantic_config__ = SPELLING
    best: str
    goal: Literal["highest"] | None = None


CheckpointRule = Literal["last", "default"] | AtEpoch | AtStep | WithId | Best
"""Which checkpoint of the parent a continuation starts from."""


def rule_text(rule: CheckpointRule) -> str:
    """A checkpoint rule as a few words: `last`, `epoch 2`."""
    match rule:
        case "last" | "default":
            return rule
        case AtEpoch(epoch=epoch):
            return f"epoch {epoch}"
        case AtStep(step=step):
            return f"step {step}"
        case Best(best=metric, goal=goal):
            return f"best {metric} {goal}" if goal else f"best {metric}"
        case _:
            return f"id {rule.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """A publisher model, such as `gemini-2.5-flash`."""

    __pydantic_config__ = SPELLING
    base_model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretuned:
    """One checkpoint of one version of a tuned model: what a continuation sends."""

    __pydantic_config__ = SPELLING
    model: str
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The result of another desired job: known by lineage before it runs, by name only after."""

    __pydantic_config__ = SPELLING
    from_: str
    lineage: str
    checkpoint: CheckpointRule


Source = BaseModel | Pretuned | Upstream
Concrete = BaseModel | Pretuned


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset by content: size in bytes and base64 crc32c identify it, the URI does not."""

    __pydantic_config__ = SPELLING
    uri: str
    size: int
    crc32c: str

    def same_bytes(self, other: "Dataset") -> bool:
        """Say whether both are the same content, whatever their names."""
        return (self.size, self.crc32c) == (other.size, other.crc32c)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What else is known of a dataset's bytes; it must agree where both sides have it."""

    __pydantic_config__ = SPELLING
    generation: str | None = None
    md5: str | None = None
    sha256: str | None = None
    examples: int | None = None

    def agrees(self, other: "Evidence") -> bool:
        """Say whether no checksum that both sides have speaks against the same bytes.

        Two byte strings of one size and crc32c are easily made on purpose; an md5 says so.
        """
        pairs = ((self.md5, other.md5), (self.sha256, other.sha256))
        return all(mine is None or mine == theirs for mine, theirs in pairs if theirs is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameters:
    """As declared; unset means that the service decides, which is material too."""

    __pydantic_config__ = SPELLING
    epoch_count: int | None = None
    adapter_size: int | None = None
    learning_rate_multiplier: Decimal | None = None
    beta: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that affects the trained weights."""

    __pydantic_config__ = SPELLING
    method: Method
    source: Source
    training: Dataset
    hyper_parameters: HyperParameters
    project: str
    location: str
    encryption_key: str | None = None
    nonce: str | None = None
