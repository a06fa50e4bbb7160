"""A whole file: every kind of problem once, with its first places and its count.

One pass over blocks of bytes. What a file *is* comes first: nobody wants 4,000 findings because a
file is compressed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tuneops.core.recipe import Method
from tuneops.datasets.limits import ANY, VALIDATION_FREE, Limit, Limits
from tuneops.datasets.problems import spell
from tuneops.datasets.repeats import Repeats
from tuneops.datasets.scan import PLACES_SHOWN, Scan, Tally
from tuneops.datasets.tokens import TokenEstimate, Tokens
from tuneops.datasets.weights import Link
from tuneops.diagnostics import Diagnostic, Severity, SourceRef, sort_key

_FEWER = "leave some out"

DUPLICATES_PERCENT = 5
"""Up to this share of its examples a file may repeat itself without a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """What a dataset amounts to. Tokens are of one pass over it, as `tokens.SOURCE` says.

    `dropped` counts examples that the service would leave out, `duplicates` lines that repeat
    another, `multimodal` examples with files in them, `linked` those that name files by address:
    whoever pins this dataset has not pinned those.
    """

    size: int
    lines: int
    examples: int
    multimodal: int
    linked: int
    tokens: Tokens
    duplicates: int
    dropped: int

    @property
    def estimate(self) -> TokenEstimate:
        """What one pass over the file bills."""
        return TokenEstimate(examples=self.examples, tokens=self.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The findings, in the order of the file, the summary, and what other files compare with.

    `named` are the objects that examples name, each with the line that names it first; so many
    more, `unnamed`, were left out. `video` are the resolutions of lines with a video.
    """

    path: str
    findings: tuple[Diagnostic, ...]
    summary: DatasetSummary
    repeats: Repeats
    limits: Limits
    named: tuple[tuple[int, Link], ...] = ()
    unnamed: int = 0
    video: frozenset[str] = frozenset()


def check(blocks: Iterable[bytes], *, path: str, method: Method, limits: Limits = ANY) -> Checked:
    """Check a file's form for a method; `path` is what the findings call it."""
    scan = Scan(method=method, limits=limits)
    scan.read(blocks)
    return judge(scan, path)


def judge(scan: Scan, path: str) -> Checked:
    """Say what the findings of a pass come to, for the file as a whole."""
    duplicates = scan.repeats.count()
    return Checked(
        path=path,
        findings=tuple(sorted(_findings(scan, path, duplicates), key=sort_key)),
        summary=DatasetSummary(
            size=scan.size,
            lines=scan.lines,
            examples=scan.examples,
            multimodal=scan.multimodal,
            linked=scan.linked,
            tokens=scan.tokens,
            duplicates=duplicates,
            dropped=scan.dropped,
        ),
        repeats=scan.repeats,
        limits=scan.limits,
        named=tuple(scan.named.values()),
        unnamed=scan.unnamed,
        video=frozenset(scan.video),
    )


def check_validation(
    training: Checked, validation: Checked, limits: Limits
) -> tuple[Diagnostic, ...]:
    """What is wrong with a validation set beside its training set, and not with itself."""
    return tuple(_beside(training, validation, limits))


def _findings(scan: Scan, path: str, duplicates: int) -> Iterator[Diagnostic]:
    if scan.marked:
        message = "the file begins with a byte order mark"
        help_ = "save it as UTF-8 without one: not every reader of JSON takes it"
        yield _finding("dataset-bom", message, path, help=help_, severity=Severity.WARNING)
    if scan.format is not None:
        message = f"this is {scan.format.name}, not one JSON object on each line"
        help_ = scan.format.help.replace("FILE", path)
        yield _finding("dataset-format", message, path, help=help_)
        return
    if not scan.examples:
        message = "there are no examples in it"
        yield _finding("dataset-empty", message, path, help="write some, or name another file")
    for tally in scan.tallies.values():
        yield from _tallied(tally, path, scan.lines)
    yield from _over(scan, path)
    if duplicates * 100 > scan.examples * DUPLICATES_PERCENT:
        yield _duplicated(scan, path, duplicates)
    if len(scan.video) > 1:
        yield _resolutions(scan.video, path)


def _resolutions(video: Iterable[str], path: str, *, notes: tuple[str, ...] = ()) -> Diagnostic:
    words = ", ".join(sorted(name or "none" for name in video))
    return _finding(
        "dataset-media",
        f"lines with a video have different resolutions: {words}",
        path,
        help="before Gemini 3 one `mediaResolution` must hold for all of training and validation",
        notes=notes,
        severity=Severity.WARNING,
    )


def _over(scan: Scan, path: str) -> Iterator[Diagnostic]:
    limits = scan.limits
    lost = limits.dropped_percent
    if scan.dropped * 100 > scan.examples * lost.most:
        what = f"{_of(scan.dropped, scan.examples)} would be dropped"
        message = f"{what}; a job with more than {lost.most}% dropped fails"
        yield _limit(message, path, lost, "shorten or split them, or leave them out")
    for count, limit, what in (
        (scan.examples, limits.examples, "examples"),
        (scan.multimodal, limits.multimodal_examples, "examples with files"),
        (scan.size, limits.size, "bytes"),
    ):
        if limit is not None and count > limit.most:
            message = f"{count:,} {what}; at most {limit.most:,}"
            yield _limit(message, path, limit, "leave some out, or give them to a second stage")


def _beside(training: Checked, validation: Checked, limits: Limits) -> Iterator[Diagnostic]:
    path, many = validation.path, validation.summary.examples
    most, share, trained = (
        limits.validation_examples,
        limits.validation_percent,
        training.summary.examples,
    )
    if most is not None and many > most.most:
        message = f"{many:,} examples; at most {most.most:,} to validate with"
        yield _limit(message, path, most, _FEWER)
    elif share is not None and many > VALIDATION_FREE and many * 100 > trained * share.most:
        yield _limit(
            f"{many:,} examples; beyond {VALIDATION_FREE:,} a validation set has at most "
            f"{share.most}% of the {trained:,} training examples",
            path,
            share,
            _FEWER,
        )
    beside = (f"the training data is {training.path}",)
    if len(training.video | validation.video) > max(len(training.video), len(validation.video), 1):
        yield _resolutions(training.video | validation.video, path, notes=beside)
    if common := validation.repeats.common(training.repeats):
        yield _finding(
            "dataset-overlap",
            f"{_of(common, many)} {'is' if common == 1 else 'are'} in the training data, too",
            path,
            notes=beside,
            help="checked on what it was trained on, a model looks better than it is",
            severity=Severity.WARNING,
        )


def _limit(message: str, path: str, limit: Limit, help: str) -> Diagnostic:
    note = f"by {limit.source}"
    if not limit.confirmed:
        note += "; not confirmed against the service, so it stops nothing"
    return _finding(
        "dataset-limit", message, path, help=help, notes=(note,), severity=limit.severity
    )


def _duplicated(scan: Scan, path: str, duplicates: int) -> Diagnostic:
    pairs = ", ".join(f"{again} as {before}" for again, before in scan.repeats.places)
    more = ", …" if duplicates > len(scan.repeats.places) else ""
    notes = [f"lines {pairs}{more}"] if pairs else []
    if scan.repeats.is_full:
        notes.append(f"the first {len(scan.repeats):,} lines were compared")
    verb = "repeats" if duplicates == 1 else "repeat"
    return _finding(
        "dataset-duplicates",
        f"{_of(duplicates, scan.examples)} {verb} another, byte for byte",
        path,
        line=scan.repeats.places[0][0] if scan.repeats.places else 1,
        notes=("; ".join(notes),) if notes else (),
        help="the model sees them more often than the rest; leave them out if that is not meant",
        severity=Severity.WARNING,
    )


def _of(some: int, every: int) -> str:
    return f"{some:,} of {every:,} examples"


def _tallied(tally: Tally, path: str, lines: int) -> Iterator[Diagnostic]:
    for index, (number, column, problem) in enumerate(tally.first):
        notes = [spell(problem.path)] if problem.path else []
        if index == 0 and tally.count > 1:
            notes.append(_counted(tally, lines))
        yield Diagnostic(
            code=problem.code,
            message=problem.message,
            where=SourceRef(path=path, line=number, column=column),
            notes=("; ".join(notes),) if notes else (),
            help=problem.help.replace("FILE", path),
            severity=problem.severity,
        )


def _counted(tally: Tally, lines: int) -> str:
    places = ", ".join(str(place[0]) for place in tally.first)
    more = ", …" if tally.count > PLACES_SHOWN else ""
    return f"{tally.count:,} of {lines:,} lines have this problem ({places}{more})"


def _finding(
    code: str,
    message: str,
    path: str,
    *,
    help: str,
    line: int = 1,
    notes: tuple[str, ...] = (),
    severity: Severity = Severity.ERROR,
) -> Diagnostic:
    where = SourceRef(path=path, line=line, column=1)
    return Diagnostic(
        code=code, message=message, where=where, notes=notes, help=help, severity=severity
    )
