"""How gates and promotions are written: metrics, limits, aliases, checkpoints and versions."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator
from pydantic import WithJsonSchema as Shown

from tuneops.core.recipe import CheckpointRule
from tuneops.spec import scalars
from tuneops.spec.shape import Name, Shape, form

_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_VERSION = re.compile(r"models/[A-Za-z0-9_-]{1,63}@[0-9]{1,19}(#[A-Za-z0-9_-]{1,64})?")

Checkpoint = Annotated[CheckpointRule, BeforeValidator(scalars.checkpoint)]
Alias = Annotated[
    str, form(_ALIAS, "a version alias: 2 to 128 letters, digits or `-`, first a lower-case letter")
]
PromotedVersion = Annotated[
    str, form(_VERSION, "`models/55@2`, or `models/55@2#3` with a checkpoint")
]
Metric = Annotated[
    str,
    BeforeValidator(scalars.metric),
    Shown({"type": "string", "pattern": f"^/?{scalars.METRIC.pattern}$"}),
]
Bound = Annotated[
    Decimal | Literal["promoted"],
    BeforeValidator(scalars.bound),
    Shown({"anyOf": [{"type": "number"}, {"const": "promoted"}]}),
]


class GateSpec(Shape):
    """What a metric must say before anything goes on from a job; `promoted` is what prod has."""

    metric: Metric
    min: Bound | None = None
    max: Bound | None = None


class PromotionSpec(Shape):
    """Which result an alias is to be on; `to` pins a version by hand, environment by environment.

    The checkpoint becomes the default one of the promoted version.
    """

    alias: Alias
    stage: Name | None = None
    checkpoint: Checkpoint | None = None
    to: Annotated[dict[str, PromotedVersion], BeforeValidator(scalars.table)] | None = None
