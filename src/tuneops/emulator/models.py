"""The base models that can be tuned here: the emulator's own table, shared with nobody.

Written down from Google's supervised, preference and continuous tuning pages (copies of
September 2026). A retirement date is listed only where the documents agree on one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

SUPERVISED = "supervised"
PREFERENCE = "preference"

ADAPTER_SIZES: Mapping[str, int] = {
    "ADAPTER_SIZE_ONE": 1,
    "ADAPTER_SIZE_TWO": 2,
    "ADAPTER_SIZE_FOUR": 4,
    "ADAPTER_SIZE_EIGHT": 8,
    "ADAPTER_SIZE_SIXTEEN": 16,
    "ADAPTER_SIZE_THIRTY_TWO": 32,
}

_WIDE = frozenset({
    "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast3", "asia-south1",
    "asia-southeast1", "australia-southeast1", "europe-central2", "europe-north1",
    "europe-southwest1", "europe-west1", "europe-west2", "europe-west3", "europe-west4",
    "europe-west6", "europe-west8", "europe-west9", "me-central1", "me-central2", "me-west1",
    "northamerica-northeast1", "southamerica-east1", "us-central1", "us-east1", "us-east4",
    "us-east5", "us-south1", "us-west1", "us-west2", "us-west3", "us-west4",
})  # fmt: skip
_TWO = frozenset({"us-central1", "europe-west4"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """What may be asked of one publisher model.

    `validation_share` says that a validation set of more than 1,000 examples is limited to a
    share of the training set as well.
    """

    id: str
    methods: frozenset[str]
    adapter_sizes: frozenset[int]
    regions: frozenset[str]
    continuous: bool
    encryption: bool
    multi_region_serving: bool
    retired: date | None
    example_tokens: int = 131_072
    validation_limit: int = 5000
    validation_share: bool = True
    text_only: bool = False
    default_adapter_size: str = "ADAPTER_SIZE_FOUR"

    def serving_location(self, region: str) -> str:
        """Return where endpoints of a model tuned in `region` live.

        Tuned Gemini 3.x models are served from `us` and `eu` only; how the service then names
        their endpoints is not documented, so putting that location in the name is our choice.
        """
        if not self.multi_region_serving:
            return region
        return "eu" if region.startswith("europe-") else "us"


def _flash_3(id: str, *methods: str, continuous: bool = True) -> BaseModel:
    return BaseModel(
        id=id,
        methods=frozenset(methods),
        adapter_sizes=frozenset({1, 2, 4, 8, 16}),
        regions=_TWO,
        continuous=continuous,
        encryption=False,
        multi_region_serving=True,
        retired=None,
    )


def _gemini_2(
    id: str,
    *methods: str,
    sizes: frozenset[int] = frozenset({1, 2, 4, 8, 16}),
    continuous: bool = True,
    retired: date | None = None,
) -> BaseModel:
    return BaseModel(
        id=id,
        methods=frozenset(methods),
        adapter_sizes=sizes,
        regions=_WIDE,
        continuous=continuous,
        encryption=True,
        multi_region_serving=False,
        retired=retired,
    )


_SMALL = frozenset({1, 2, 4, 8})

# From Google's three pages on tuning translation models (copies of September 2025): lines are
# those of Gemini, but text only. Keys and the default adapter size are our choice.
_TRANSLATION = BaseModel(
    id="translation-llm-002",
    methods=frozenset({SUPERVISED}),
    adapter_sizes=frozenset({4}),
    regions=frozenset({"us-central1"}),
    continuous=False,
    encryption=True,
    multi_region_serving=False,
    retired=None,
    example_tokens=1000,
    validation_limit=1024,
    validation_share=False,
    text_only=True,
)

BASE_MODELS: Mapping[str, BaseModel] = {
    model.id: model
    for model in (
        _TRANSLATION,
        _flash_3("gemini-3.5-flash", SUPERVISED, PREFERENCE),
        _flash_3("gemini-3.5-flash-lite", SUPERVISED, continuous=False),
        _flash_3("gemini-3.1-flash-lite", SUPERVISED),
        _gemini_2("gemini-2.5-pro", SUPERVISED, sizes=_SMALL),
        _gemini_2("gemini-2.5-flash", SUPERVISED, PREFERENCE),
        _gemini_2("gemini-2.5-flash-lite", SUPERVISED, PREFERENCE),
        _gemini_2(
            "gemini-2.0-flash-001",
            SUPERVISED,
            sizes=_SMALL,
            continuous=False,
            retired=date(2026, 2, 5),
        ),
        _gemini_2(
            "gemini-2.0-flash-lite-001",
            SUPERVISED,
            sizes=_SMALL,
            continuous=False,
            retired=date(2026, 2, 25),
        ),
    )
}
