"""How one emulator may differ from the defaults."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Switches, mostly for tests; they are not stored with the world.

    `page_size_limit` caps every page; `empty_pages` puts an empty page, with a token, between
    every two; `allow_undocumented_sequences` lets a preference-tuned model be tuned further.
    """

    page_size_limit: int | None = None
    empty_pages: bool = False
    allow_undocumented_sequences: bool = False
