"""The one body that creates a job, as a value: built once, sent once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneops.core.recipe import Concrete, HyperParameters, Method


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """Everything that `tuningJobs.create` is told. `source` is concrete: version and checkpoint.

    `display_name` is None where a new version of the parent's model is wanted.
    """

    method: Method
    source: Concrete
    training_uri: str
    validation_uri: str | None
    hyper_parameters: HyperParameters
    last_checkpoint_only: bool
    display_name: str | None
    description: str
    labels: Mapping[str, str]
    encryption_key: str | None
    service_account: str | None
    evaluation_config: Mapping[str, Any] | None = None
