"""Where tuning runs. Google's page on tuning regions, as of the 2.0 models; `global` is none."""

REGIONS = (
    "us-central1",
    "europe-west4",
    "asia-east1",
    "asia-east2",
    "asia-northeast1",
    "asia-northeast3",
    "asia-south1",
    "asia-southeast1",
    "australia-southeast1",
    "europe-central2",
    "europe-north1",
    "europe-southwest1",
    "europe-west1",
    "europe-west2",
    "europe-west3",
    "europe-west6",
    "europe-west8",
    "europe-west9",
    "me-central1",
    "me-central2",
    "me-west1",
    "northamerica-northeast1",
    "southamerica-east1",
    "us-east1",
    "us-east4",
    "us-east5",
    "us-south1",
    "us-west1",
    "us-west4",
)
"""The `us-` rows but `us-central1` are not confirmed: the page names them as a group."""

GEMINI_3_REGIONS = ("us-central1", "europe-west4")
"""The only regions that tune 3.x models."""
