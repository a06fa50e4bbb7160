"""How many tokens text and media come to: an estimate, with how far it may be off.

There is no tokenizer without asking the service. Google's page on counting tokens says about four
characters a token for Gemini; other scripts and the spans are our rule of thumb, media follow
Google's rates where the length of a file is known, and a wide span where it is not.
"""

from dataclasses import dataclass
from sys import getsizeof

SOURCE = "an estimate, by some 4 characters a token, fewer in other scripts, and media by rates"
"""Where the numbers come from, in words to show beside them."""

_LOW, _HIGH = (20, 25, 40, 100), (34, 70, 110, 300)
"""Hundredths of a token for a character of one, two, three and four bytes in UTF-8, that is ASCII,
most alphabets, CJK and Indic scripts, emoji; the likely ones are in `likely`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """An estimate: surely not far below `low` or above `high`, and `likely` in between."""

    low: int
    likely: int
    high: int

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(
            low=self.low + other.low, likely=self.likely + other.likely, high=self.high + other.high
        )

    def times(self, factor: int) -> "Tokens":
        """The same so many times, as for every epoch."""
        return Tokens(low=self.low * factor, likely=self.likely * factor, high=self.high * factor)


NONE = Tokens(low=0, likely=0, high=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEstimate:
    """What one pass over a training file bills, by `SOURCE`. Times epochs, it is the job.

    The prompt of a preference example counts twice (Google's page on preference tuning). Examples
    that the service would drop are counted here, though it does not bill them.
    """

    examples: int
    tokens: Tokens


Letters = tuple[int, int, int, int]
"""How many characters take one, two, three and four bytes in UTF-8."""


def letters(text: str) -> Letters:
    """Count the characters of a text; it may not hold half a surrogate pair."""
    if text.isascii():
        return len(text), 0, 0, 0
    count, size = len(text), len(text.encode())
    if getsizeof(text) < 2 * count:  # a byte a character in memory: of two bytes in UTF-8 at most
        return 2 * count - size, size - count, 0, 0
    one = len(text.encode("ascii", "ignore"))
    four = len(text.encode("utf-16-le")) // 2 - count
    three = size - one - 4 * four - 2 * (count - one - four)
    return one, count - one - three - four, three, four


def likely(counts: Letters) -> int:
    """The likely tokens of so many characters, rounded up."""
    one, two, three, four = counts
    return -(-(one * 25 + two * 40 + three * 75 + four * 150) // 100)


def span(counts: Letters) -> Tokens:
    """The tokens of so many characters, and how far they may be off."""
    low, high = (
        -(-sum(count * rate for count, rate in zip(counts, rates, strict=True)) // 100)
        for rates in (_LOW, _HIGH)
    )
    return Tokens(low=low, likely=likely(counts), high=high)


_IMAGE = {"LOW": (64, 64, 64), "MEDIUM": (256, 256, 256)}
_IMAGE_FINE = (256, 256, 1280)
"""Google's page on tuning with images: 64, 256, and 256 with pan and scan for HIGH, the default;
up to four crops more is our guess."""

_SECOND_OF_SOUND, _FRAME, _FRAME_LOW, _PAGE = 32, 258, 66, 258
_SECONDS, _PAGES = (1, 60, 300), (1, 5, 300)
_SECONDS_LOW, _SECONDS_OF_SOUND = (1, 60, 1200), (1, 60, 3600)


def media_tokens(kind: str, resolution: str, seconds: float | None) -> Tokens:
    """The tokens of one file of a kind (`image`, `video`, `audio`, `document`).

    `resolution` is LOW, MEDIUM, HIGH or empty; without its seconds a file may be as long as the
    service takes.
    """
    match kind:
        case "image":
            low, likely, high = _IMAGE.get(resolution, _IMAGE_FINE)
        case "document":
            low, likely, high = (_PAGE * pages for pages in _PAGES)
        case _:
            low, likely, high = _timed(kind, resolution, seconds)
    return Tokens(low=low, likely=likely, high=high)


def _timed(kind: str, resolution: str, seconds: float | None) -> tuple[int, ...]:
    rate, spans = _SECOND_OF_SOUND, _SECONDS_OF_SOUND
    if kind == "video":
        frame = _FRAME_LOW if resolution == "LOW" else _FRAME
        rate, spans = rate + frame, _SECONDS_LOW if resolution == "LOW" else _SECONDS
    lengths = spans if seconds is None else (seconds,) * 3
    return tuple(int(rate * length) for length in lengths)
