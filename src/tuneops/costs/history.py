"""What earlier jobs of the lock tell of later ones: billed tokens by dataset, by chain, by byte.

The service counts the tokens of one pass over a dataset once a job has read it. The same bytes
under the same method have the same tokens again; other data of the same chain has about as many
tokens for each byte.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tuneops.core.lock import Creation, Lock
from tuneops.core.recipe import Dataset, Method
from tuneops.costs.amounts import Tokens

SPREAD = Decimal("0.2")
"""How far data of one chain may differ in tokens for each byte: our choice, not a measurement."""

Bytes = tuple[int, str, Method]
"""A dataset's bytes, read by a method."""


def bytes_of(dataset: Dataset, method: Method) -> Bytes:
    """What decides how many tokens a dataset has."""
    return dataset.size, dataset.crc32c, method


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The billed tokens of one pass over datasets, and how many epochs the service chose."""

    billed: Mapping[Bytes, int] = field(default_factory=dict)
    ratios: Mapping[tuple[str, Method], tuple[Decimal, ...]] = field(default_factory=dict)
    """Tokens for each byte, by chain."""
    epochs: Mapping[Bytes, int] = field(default_factory=dict)
    """Epochs of jobs that left them to the service."""

    @staticmethod
    def of(*locks: Lock) -> "History":
        """Read locks; what the first ones say of the same bytes counts."""
        billed: dict[Bytes, int] = {}
        ratios: dict[tuple[str, Method], list[Decimal]] = {}
        epochs: dict[Bytes, int] = {}
        for address, _, creation in (one for lock in reversed(locks) for one in lock.creations()):
            data = bytes_of(creation.recipe.training, creation.recipe.method)
            tokens = creation.billable_tokens
            if tokens is not None:
                billed[data] = tokens
                ratio = Decimal(tokens) / max(1, creation.recipe.training.size)
                chain = address.partition("/")[0]
                ratios.setdefault((chain, creation.recipe.method), []).append(ratio)
            if creation.succeeded and creation.recipe.hyper_parameters.epoch_count is None:
                run = epochs_run(creation)
                if run:
                    epochs[data] = run
        return History(
            billed=billed,
            ratios={chain: tuple(found) for chain, found in ratios.items()},
            epochs=epochs,
        )

    def tokens(self, dataset: Dataset, method: Method, chain: str) -> Tokens | None:
        """The tokens of one pass: as they were billed, or as those of the chain were."""
        exact = self.billed.get(bytes_of(dataset, method))
        if exact is not None:
            return Tokens(exact, exact)
        ratios = self.ratios.get((chain, method))
        return spread(dataset, ratios, ratios) if ratios else None


def spread(dataset: Dataset, least: Iterable[Decimal], most: Iterable[Decimal]) -> Tokens:
    """The tokens of data of a chain by those that its other data has, at least and at most."""
    low, high = min(least) * (1 - SPREAD), max(most) * (1 + SPREAD)
    return Tokens(math.floor(dataset.size * low), math.ceil(dataset.size * high))


def epochs_run(creation: Creation) -> int:
    """How many epochs a job has finished, as far as its checkpoints show; 0 when none does."""
    return max((one.epoch for one in creation.checkpoints.values()), default=0)
