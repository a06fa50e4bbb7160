"""The driving: effects through ports, one tick at a time.

Nothing here decides what ought to happen (that is `core`) or knows how a service is reached (that
is `vertex`, `gcs` and `store`).
"""
