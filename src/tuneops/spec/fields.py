"""What single fields of a spec may hold, and what an editor is told of them."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated

from pydantic import BeforeValidator
from pydantic import WithJsonSchema as Shown

from tuneops.core.address import NAME
from tuneops.spec import scalars, times
from tuneops.spec.shape import Text, form, whole, whole_schema

_EPOCHS = (1, 100)
"""Ours, to catch a slip: the service documents no limit, and chose up to 40 by itself."""

_PROJECT = re.compile(r"([a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{1,20}")
_KMS_KEY = re.compile(
    r"projects/[^/\s]+/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]{1,63}"
    r"/cryptoKeys/[A-Za-z0-9_-]{1,63}"
)
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}@[a-z0-9][a-z0-9.-]*\.gserviceaccount\.com")
_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[A-Za-z0-9._-]+)*/?")
_BRANCH = re.compile(
    r"(?!.*(?:\.\.|\.lock(?:/|$)|\.(?:/|$)))[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*"
)
_CLAIMS = re.compile(rf"auto|local|git|{_BUCKET.pattern}")
_MODEL_VERSION = re.compile(
    r"(projects/[^/\s]+/locations/[a-z0-9-]+/)?models/[0-9A-Za-z_-]+@[0-9]+"
)
_JOB = re.compile(r"(projects/[^/\s]+/locations/[a-z0-9-]+/)?(tuningJobs/)?[0-9]+")
_ADDRESS = re.compile(rf"{NAME.pattern}(/{NAME.pattern})?")
_REASON = re.compile(r"(?=.*\S)[^\n]{1,200}")
_DISPLAY_NAME = re.compile(r"(?=.*\S).{1,128}", re.DOTALL)
_NONCE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SERVICE_DECIDES = "leave it out to let the service choose"

Multiplier = Annotated[
    Decimal,
    BeforeValidator(partial(scalars.positive, help=_SERVICE_DECIDES)),
    Shown({"type": "number", "exclusiveMinimum": 0}),
]
Beta = Annotated[
    Decimal,
    BeforeValidator(partial(scalars.positive, help="Google recommends 0.01 to 0.5")),
    Shown({"type": "number", "exclusiveMinimum": 0}),
]
AdapterSize = Annotated[
    int,
    BeforeValidator(scalars.adapter_size),
    Shown({"enum": [*scalars.ADAPTER_SIZES.values(), *scalars.ADAPTER_SIZES]}),
]
Epochs = Annotated[int, whole(*_EPOCHS, _SERVICE_DECIDES), whole_schema(*_EPOCHS)]
Tries = Annotated[int, whole(0, 10), whole_schema(0, 10)]
Length = Annotated[
    timedelta,
    BeforeValidator(times.length),
    Shown({"type": "string", "pattern": r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"}),
]
Moment = Annotated[
    datetime,
    BeforeValidator(times.moment),
    Shown({"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?$"}),
]
ModelVersion = Annotated[
    str, form(_MODEL_VERSION, "a model version, `models/123@2` or with its project and location")
]
CancelledJob = Annotated[
    str, form(_JOB, "the id of a cancelled job, `tuningJobs/987`, or its full name")
]
OldAddress = Annotated[str, form(_ADDRESS, "a name, or `chain/stage`")]
Reason = Annotated[
    str, form(_REASON, "1 to 200 characters in one line"), Shown({"type": "string", "minLength": 1})
]
Slots = Annotated[int, whole(1, 1000), whole_schema(1, 1000)]
DisplayName = Annotated[
    str,
    form(_DISPLAY_NAME, "1 to 128 characters"),
    Shown({"type": "string", "minLength": 1, "maxLength": 128}),
]
Nonce = Annotated[
    str, form(_NONCE, "1 to 64 letters, digits, `.`, `_` or `-`"), Shown({"type": "string"})
]
Account = Annotated[
    str, form(_ACCOUNT, "the e-mail of a service account, `name@project.iam.gserviceaccount.com`")
]
KmsKey = Annotated[
    str, form(_KMS_KEY, "`projects/…/locations/…/keyRings/…/cryptoKeys/…`, without a version")
]
Project = Annotated[str, form(_PROJECT, "a project id or number")]
Bucket = Annotated[str, form(_BUCKET, "`gs://bucket` or `gs://bucket/folder`")]
Claims = Annotated[str, form(_CLAIMS, "`auto`, `local`, `git` or `gs://bucket/folder`")]
Branch = Annotated[str, form(_BRANCH, "the name of a branch, such as `tuneops/lock`")]
Labels = Annotated[dict[str, Text], BeforeValidator(scalars.table)]
Names = Annotated[tuple[Text, ...], BeforeValidator(scalars.items)]


OldNames = Annotated[
    tuple[Annotated[str, form(NAME, "a name: lower-case letters, digits and single `-`")], ...],
    BeforeValidator(scalars.items),
]
