"""How one emulator may differ from the defaults."""

from dataclasses import dataclass

from tuneops.emulator.quota import Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Switches, mostly for tests; but for the first two they are not stored with the world.

    `faults` is a fault script that joins the queue each time an emulator is opened with it;
    `quota` replaces the stored one. `page_size_limit` caps every page; `empty_pages` puts an
    empty page, with a token, between every two.

    The others stand where Google's documents are silent: `allow_undocumented_sequences` lets a
    preference-tuned model be tuned further; `copy_labels` gives a job's labels to its model
    version and endpoints; `verbatim_source` shows `preTunedModel` as it was asked instead of
    resolved; `strict_adapter_size` refuses another adapter size than the source's;
    `lenient_cancel` answers 200 when a job that is over is cancelled.
    """

    faults: str = ""
    quota: Quota | None = None
    page_size_limit: int | None = None
    empty_pages: bool = False
    allow_undocumented_sequences: bool = False
    copy_labels: bool = True
    verbatim_source: bool = False
    strict_adapter_size: bool = False
    lenient_cancel: bool = False
