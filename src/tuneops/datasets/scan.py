"""One pass over a file, or over a part of it: what is found line by line, counted and kept small.

Parts that follow each other are joined, so that two processes can read one file.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tuneops.core.recipe import Method
from tuneops.datasets.examples import problems
from tuneops.datasets.limits import Limits
from tuneops.datasets.lines import TooLong, Unreadable, read_example, read_lines, read_text
from tuneops.datasets.parts import names_object
from tuneops.datasets.places import column_of
from tuneops.datasets.plain import MEASURES
from tuneops.datasets.problems import Problem
from tuneops.datasets.repeats import Repeats
from tuneops.datasets.sniff import Other, other_format
from tuneops.datasets.tokens import NONE, Tokens, span
from tuneops.datasets.weights import Link, Weight, dropped, text_only, weigh

PLACES_SHOWN = 3
_KINDS_LIMIT = 100
"""So many kinds of problems are told apart in one file: a hostile one could invent a million."""

NAMED_LIMIT = 10_000
"""So many different files that examples name are kept, to be looked for in their buckets."""

_BOM = b"\xef\xbb\xbf"
_NO_LIMIT = 1 << 62


@dataclass(slots=True)
class Tally:
    """The first places of one kind of problem, as line and column, and how many lines have it."""

    first: list[tuple[int, int, Problem]] = field(default_factory=list)
    count: int = 0

    def extend(self, later: "Tally", lines: int) -> None:
        """Add what was found after so many lines."""
        self.count += later.count
        for line, column, problem in later.first[: PLACES_SHOWN - len(self.first)]:
            self.first.append((line + lines, column, problem))


class Scan:
    """What was found so far. `sizes` and `turns` are kept for each example where `measured`.

    `named` are the objects that examples name, each where it is named first; `unnamed` counts what
    came after too many of them.
    """

    def __init__(self, *, method: Method, limits: Limits, measured: bool = False) -> None:
        self.method = method
        self.limits = limits
        self.size = 0
        self.lines = 0
        self.examples = 0
        self.dropped = 0
        self.multimodal = 0
        self.linked = 0
        self.named: dict[str, tuple[int, Link]] = {}
        self.unnamed = 0
        self.likely = 0
        self.letters = [0, 0, 0, 0]
        self.media = NONE
        self.marked = False
        self.format: Other | None = None
        self.tallies: dict[str, Tally] = {}
        self.repeats = Repeats()
        self.video: Counter[str] = Counter()
        self.sizes = array("L") if measured else None
        self.turns = array("L") if measured else None

    def read(self, blocks: Iterable[bytes], *, start: bool = True) -> None:
        """Look at lines to the end; `start` says that they are the first of their file."""
        for batch in read_lines(self._counted(blocks)):
            lines = batch.lines
            if start:
                if not self.lines and lines[0].startswith(_BOM):
                    self.marked = True
                    lines[0] = type(lines[0])(lines[0].removeprefix(_BOM))
                first = next((line for line in lines if line.strip()), None)
                if first is not None:
                    self.format, start = other_format(first), False
                if self.format is not None:
                    return
            self._look(lines, ended=batch.ended)

    def pass_over(self, blocks: Iterable[bytes]) -> None:
        """Count the lines that follow as examples, and look at none."""
        last, feeds = b"\n", 0
        for block in self._counted(blocks):
            feeds += block.count(b"\n")
            last = block[-1:]
        more = feeds + (last != b"\n")
        self.lines += more
        self.examples += more

    def join(self, later: "Scan") -> None:
        """Add what was found in the part of the file that follows this one."""
        self.repeats.extend(later.repeats, self.lines)
        for kind, tally in later.tallies.items():
            self.tallies.setdefault(kind, Tally()).extend(tally, self.lines)
        for number, link in later.named.values():
            self._name(number + self.lines, (link,))
        self.unnamed += later.unnamed
        for name in ("size", "lines", "examples", "dropped", "multimodal", "linked", "likely"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.letters = [mine + more for mine, more in zip(self.letters, later.letters, strict=True)]
        self.media += later.media
        self.video += later.video
        for mine, more in ((self.sizes, later.sizes), (self.turns, later.turns)):
            if mine is not None and more is not None:
                mine.extend(more)

    @property
    def tokens(self) -> Tokens:
        """What one pass over these examples bills."""
        one, two, three, four = self.letters
        text = span((one, two, three, four))
        likely = self.likely + self.media.likely
        low, high = text.low + self.media.low, text.high + self.media.high
        return Tokens(low=min(low, likely), likely=likely, high=max(high, likely))

    def _counted(self, blocks: Iterable[bytes]) -> Iterable[bytes]:
        for block in blocks:
            self.size += len(block)
            yield block

    def _look(self, lines: list[bytes], *, ended: bool) -> None:
        measure, limit = MEASURES[self.method], self.limits.example_tokens
        most = _NO_LIMIT if limit is None else limit.most
        start = self.lines + 1
        one = two = three = four = total = examples = 0
        odd: list[int] = []
        compared = True
        sizes, turns = self.sizes, self.turns
        for number, line in enumerate(lines, start):
            if len(line) < 4 and not line.strip():
                compared = False
                continue
            found = measure(line)
            if found is None or found[1] > most:
                odd.append(number)
                continue
            (a, b, c, d), tokens, count = found
            one, two, three, four = one + a, two + b, three + c, four + d
            total += -(-(a * 25 + b * 40 + c * 75 + d * 150) // 100)
            examples += 1
            if sizes is not None and turns is not None:
                sizes.append(tokens)
                turns.append(count)
        self.letters = [
            before + more
            for before, more in zip(self.letters, (one, two, three, four), strict=True)
        ]
        self.likely += total
        self.examples += examples
        for number in odd:
            line = lines[number - start]
            if isinstance(line, TooLong) or line.strip():
                self.examples += 1
                self._look_at(number, line, ended=ended)
            compared = compared and not isinstance(line, TooLong) and bool(line.strip())
        self.lines += len(lines)
        if compared:
            self.repeats.add(start, lines)
            return
        for number, line in enumerate(lines, start):
            if not isinstance(line, TooLong) and line.strip():
                self.repeats.add(number, (line,))

    def _look_at(self, number: int, line: bytes, *, ended: bool) -> None:
        text = ""
        try:
            text = read_text(line)
            example = read_example(text, ended=ended)
        except Unreadable as error:
            self._count(number, text, error.problem)
            return
        weight = weigh(example, self.method)
        self._add(weight)
        self._name(number, weight.links)
        found = list(dropped(weight, self.limits))
        self.dropped += bool(found)
        if self.limits.text_only is not None:
            found += text_only(example, self.limits.text_only.severity)
        kinds = set()
        for problem in (*problems(example, self.method), *found):
            if problem.kind not in kinds:
                kinds.add(problem.kind)
                self._count(number, text, problem)

    def _name(self, number: int, links: Iterable[Link]) -> None:
        for link in links:
            if link.uri in self.named or not names_object(link.uri):
                continue
            if len(self.named) < NAMED_LIMIT:
                self.named[link.uri] = (number, link)
            else:
                self.unnamed += 1

    def _add(self, weight: Weight) -> None:
        self.letters = [
            before + more for before, more in zip(self.letters, weight.billed, strict=True)
        ]
        self.likely += weight.billed_tokens
        self.media += weight.media
        self.multimodal += bool(weight.files)
        self.linked += bool(weight.links)
        if weight.files["video"]:
            self.video[weight.resolution] += 1
        if self.sizes is not None and self.turns is not None:
            self.sizes.append(weight.tokens)
            self.turns.append(weight.turns)

    def _count(self, number: int, text: str, problem: Problem) -> None:
        kind = problem.kind
        if kind not in self.tallies and len(self.tallies) >= _KINDS_LIMIT:
            kind = f"more-{problem.severity}"
        tally = self.tallies.setdefault(kind, Tally())
        tally.count += 1
        if len(tally.first) < PLACES_SHOWN:
            column = column_of(text, problem.path) if problem.path else problem.column
            tally.first.append((number, column, problem))
