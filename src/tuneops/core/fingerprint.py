"""When two recipes are the same, and what the one creation of a recipe is called.

The canonical form holds meaning only: no addresses, URIs, order, formatting or tool version. Every
hash version is kept for ever; a new one is added beside the old, and golden vectors hold them all.
"""

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import assert_never

from tuneops.core.recipe import (
    AtEpoch,
    AtStep,
    BaseModel,
    Best,
    CheckpointRule,
    HyperParameters,
    Pretuned,
    Recipe,
    Upstream,
)

HASH_VERSION = 1
"""The version of what is hashed from now on."""

_VERSIONED = re.compile(r"v([1-9][0-9]{0,3})-[a-z2-7]+")

Canonical = str | int | None | Mapping[str, "Canonical"]


def fingerprint(recipe: Recipe) -> str:
    """Hash what a recipe says itself; its ancestors do not count."""
    return _hash("fingerprint", FORMS[HASH_VERSION](recipe), HASH_VERSION)


def lineage(recipe: Recipe, version: int | None = None) -> str:
    """Hash a recipe together with all its ancestors: `v1-` and 52 base32 characters.

    Known before anything runs, because an upstream source carries its parent's lineage. `version`
    is that of a hash made earlier; KeyError for one that this tuneops does not know.
    """
    number = HASH_VERSION if version is None else version
    parent = recipe.source.lineage if isinstance(recipe.source, Upstream) else None
    ancestry: Mapping[str, Canonical] = {"parent": parent, "recipe": FORMS[number](recipe)}
    return f"v{number}-{_hash('lineage', ancestry, number)}"


def version_of(lineage: str) -> int:
    """The hash version that a lineage was made with; what says none is of the first."""
    found = _VERSIONED.fullmatch(lineage)
    return int(found[1]) if found else 1


def creation_key(*, owner: str, project: str, location: str, lineage: str, attempt: int) -> str:
    """Name the one creation that may exist for this lineage and attempt.

    A key is of its lineage's hash version: a newer tuneops finds the claims of the older one.
    """
    parts: dict[str, Canonical] = {
        "attempt": attempt,
        "lineage": lineage,
        "location": location,
        "owner": owner,
        "project": project,
    }
    return "k" + _hash("creation", parts, version_of(lineage))[:26]


def purse_key(workspace: str) -> str:
    """Name the one record in which all runs of a workspace say what they are about to buy."""
    return "p" + _hash("purse", {"workspace": workspace}, 1)[:26]


def decimal_text(number: Decimal) -> str:
    """Write a number so that equal numbers have equal texts: no exponent, no trailing zeros."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _material(recipe: Recipe) -> dict[str, Canonical]:
    return {
        "encryptionKey": recipe.encryption_key,
        "hyperParameters": _hyper_parameters(recipe.hyper_parameters),
        "location": recipe.location,
        "method": recipe.method.value,
        "nonce": recipe.nonce,
        "project": recipe.project,
        "source": _source(recipe),
        "training": {"crc32c": recipe.training.crc32c, "size": recipe.training.size},
    }


def _hyper_parameters(hyper: HyperParameters) -> dict[str, Canonical]:
    values: dict[str, Canonical] = {
        "adapterSize": hyper.adapter_size,
        "beta": _decimal(hyper.beta),
        "epochCount": hyper.epoch_count,
        "learningRateMultiplier": _decimal(hyper.learning_rate_multiplier),
    }
    return {name: value for name, value in values.items() if value is not None}


def _decimal(number: Decimal | None) -> str | None:
    return None if number is None else decimal_text(number)


def _source(recipe: Recipe) -> dict[str, Canonical]:
    match recipe.source:
        case BaseModel(base_model=name):
            return {"baseModel": name}
        case Pretuned(model=model, checkpoint=checkpoint):
            return {"checkpoint": checkpoint, "model": model}
        case Upstream(checkpoint=rule):
            return {"checkpointRule": _rule(rule)}
        case _:
            assert_never(recipe.source)


def _rule(rule: CheckpointRule) -> Canonical:
    match rule:
        case "last" | "default":
            return rule
        case AtEpoch(epoch=epoch):
            return {"epoch": epoch}
        case AtStep(step=step):
            return {"step": step}
        case Best(best=metric, goal=goal):
            return {"best": metric, "goal": goal or "lowest"}
        case _:
            return {"id": rule.id}


FORMS: dict[int, Callable[[Recipe], Mapping[str, Canonical]]] = {1: _material}
"""The canonical form of a recipe in every hash version; a form that was released is never edited,
and leaves out what it does not know."""


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _hash(purpose: str, value: Mapping[str, Canonical], version: int) -> str:
    text = _ENCODER.encode([f"tuneops-{purpose}-v{version}", value])
    digest = hashlib.sha256(unicodedata.normalize("NFC", text).encode()).digest()
    return base64.b32encode(digest).decode().rstrip("=").lower()
