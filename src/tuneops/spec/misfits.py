"""From what a model refused to findings at the exact place.

`later` knows the keys that are refused for a reason of their own; anything else that is not a field
is unknown, and the nearest field is offered.
"""

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from dataclasses import dataclass
from typing import Any

from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.spec.later import FORBIDDEN, LATER
from tuneops.spec.near import near
from tuneops.spec.nodes import Mapping, Path, Scalar, Step, find, key_place, value_place
from tuneops.spec.scalars import Misfit

Known = Callable[[Path], Iterable[str]]
"""The fields that a model has at the end of a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One finding, and the path of what has to be left out for the rest to be readable."""

    finding: Diagnostic
    cut: Path
    lack: tuple[int, str] | None = None
    """For a missing field: the mapping that lacks it, and its name."""


def fault(error: Table[str, Any], root: Mapping, known: Known) -> Fault:
    """Turn one error of a model into a finding at its node."""
    path: Path = tuple(error["loc"])
    match error["type"]:
        case "missing":
            return _missing(root, path)
        case "extra_forbidden":
            return Fault(finding=_unknown(root, path, known), cut=path)
        case _:
            misfit = error.get("ctx", {}).get("error")
            assert isinstance(misfit, Misfit), error
            return Fault(finding=_misfit(root, path, misfit), cut=path)


def path_text(root: Mapping, path: Path) -> str:
    """A path as people say it: dots between keys, a stage by its name."""
    words: list[str] = []
    for end, step in enumerate(path, 1):
        item = find(root, path[:end]) if isinstance(step, int) else None
        name = item.get("name") if isinstance(item, Mapping) else None
        words.append(name.text if isinstance(name, Scalar) else str(step))
    return ".".join(words)


def _missing(root: Mapping, path: Path) -> Fault:
    above, name = path[:-1], str(path[-1])
    inside = f" in `{path_text(root, above)}`" if above else ""
    holder = find(root, above) or root
    finding = Diagnostic(
        code="missing-field",
        message=f"`{name}` is missing{inside}",
        where=key_place(root, above) if above else _first_key(root),
    )
    return Fault(finding=finding, cut=above, lack=(id(holder.span), name))


def _first_key(root: Mapping) -> SourceRef:
    return root.entries[0].key.span.where if root.entries else root.span.where


def _unknown(root: Mapping, path: Path, known: Known) -> Diagnostic:
    name, where = str(path[-1]), key_place(root, path)
    inside = f" in `{path_text(root, path[:-1])}`" if path[:-1] else " at the top of the document"
    if name in FORBIDDEN or _camel(name) in FORBIDDEN:
        return Diagnostic(
            code="not-allowed",
            message=f"`{name}` may not stand in a spec: it could send credentials elsewhere",
            where=where,
            help="remove it; endpoints and credentials come from the environment",
        )
    later = LATER.get(_camel(name))
    if later and _place(path) in later.within:
        return Diagnostic(
            code="not-supported",
            message=f"`{name}` is not supported by tuneops 0.1 yet",
            where=where,
            help=later.help,
        )
    close = near(name, known(path[:-1]))
    similar = f"a field with a similar name exists: `{close}`" if close else None
    return Diagnostic(
        code="unknown-field",
        message=f"unknown field `{name}`{inside}",
        where=where,
        help=_elsewhere(name) or similar,
    )


def _elsewhere(name: str) -> str | None:
    match _camel(name):
        case "beta":
            return "`beta` belongs to `preferenceOptimizationSpec.hyperParameters`"
        case "formerly":
            return "it belongs to the workspace and its environments; a job says `movedFrom:`"
        case "movedFrom":
            return "`movedFrom` belongs to `spec` or to a stage"
        case "evaluationConfig":
            return "it belongs to `supervisedTuningSpec`; preference tuning has no evaluation"
        case "removed" | "limits" | "claims" | "datasetBucket":
            return f"`{name}` belongs to an environment, below `environments:`"
        case "epochCount" | "adapterSize" | "learningRateMultiplier":
            return f"`{name}` belongs to the `hyperParameters` of a method"
        case "trainingDatasetUri" | "validationDatasetUri" | "hyperParameters":
            return f"`{name}` belongs to a method, such as `supervisedTuningSpec`"
        case _:
            return None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _place(path: Path) -> Step:
    """What kind of mapping a key stands in, by the name of that mapping."""
    if len(path) >= 3 and (isinstance(path[-2], int) or path[-3] == "environments"):
        return path[-3]
    return path[-2] if len(path) >= 2 else ""


def _misfit(root: Mapping, path: Path, misfit: Misfit) -> Diagnostic:
    named = [step for step in path if isinstance(step, str)]
    subject = f"`{named[-1]}`" if named else "the document"
    if path and isinstance(path[-1], int):
        subject = f"an item of {subject}"
    return Diagnostic(
        code=misfit.code,
        message=f"{subject} {misfit.says}",
        where=misfit.node.span.where if misfit.node else value_place(root, path),
        help=misfit.help,
    )
