"""Look into datasets that are named on the command line: what `data` does."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tuneops.cli.checking import OBJECTS_AT_ONCE
from tuneops.cli.options import Options
from tuneops.cli.project import Project, known_models, named_model, open_project
from tuneops.core.recipe import Method
from tuneops.datasets.checks import Checked, check_validation, judge
from tuneops.datasets.conversion import Conversion
from tuneops.datasets.difference import compare
from tuneops.datasets.distribution import distribution
from tuneops.datasets.files import blocks, open_file, scan_file
from tuneops.datasets.limits import ANY, Limits, limits_of
from tuneops.datasets.scan import Scan
from tuneops.datasets.sniff import other_format
from tuneops.diagnostics import Diagnostic, SourceRef, has_errors, sort_key
from tuneops.errors import InputError, NoCredentials, ProviderError, TuneopsError
from tuneops.render.data import (
    Statistics,
    checked_json,
    checked_lines,
    difference_json,
    difference_lines,
    statistics_json,
    statistics_lines,
)
from tuneops.render.findings import findings_github, findings_json
from tuneops.render.lines import Line, counted
from tuneops.store.files import write_blocks

_HEAD = 1 << 20
_BUCKET = "gs://"
_NO_OBJECT = "a dataset is a file or `gs://bucket/object.jsonl`"
_NOT_THERE = "put the object there, or mend its name"
_ANOTHER = "name the file that holds the examples"
_NO_PATTERN = "the names of objects are taken letter by letter: name each one"
_NO_PIPE = "what comes through a pipe cannot be read twice: write it to a file first"
_NO_ADDRESS = "download it, or copy it into a bucket, and name that"


_Read = tuple[Method, Checked] | InputError | ProviderError | NoCredentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How to check datasets; with `media`, the objects that examples name are looked for."""

    kind: str | None
    model: str | None
    validation: str | None
    media: bool


def check_files(chosen: Options, files: Sequence[str], wishes: Wishes) -> int:
    """Check files or objects, and one for validation beside each of them; give the exit code."""
    limits, validation = _limits(chosen, wishes.model), wishes.validation
    every: list[tuple[str, Method, Checked]] = []
    findings: list[Diagnostic] = []
    fault: TuneopsError | None = None
    named = [*files, *([validation] if validation else [])]
    for name, given in _each(chosen, tuple(dict.fromkeys(named)), limits, wishes.kind):
        if isinstance(given, InputError):
            findings += given.findings
            continue
        if isinstance(given, TuneopsError):
            fault = given
            findings.append(given.as_diagnostic())
            continue
        method, checked = given
        every.append((name, method, checked))
        findings += checked.findings
    held = next((found for name, _, found in every if name == validation), None)
    for name, _, trained in every:
        if held is not None and name != held.path:
            findings += check_validation(trained, held, limits)
    if wishes.media:
        try:
            findings += _media(chosen, [found for _, _, found in every])
        except (ProviderError, NoCredentials) as trouble:
            fault = trouble
            findings.append(trouble.as_diagnostic())
    if validation is not None and validation in files:
        findings.append(_same(validation))
    found = tuple(sorted(dict.fromkeys(findings), key=sort_key))
    code = fault.exit_code if fault else 65 if has_errors(found) else 0
    if chosen.machine:
        chosen.console.answer_json(
            {
                "formatVersion": 1,
                "command": "data check",
                "files": [checked_json(name, how, one.summary) for name, how, one in every],
                "diagnostics": findings_json(found),
                "exitCode": code,
            }
        )
        return code
    if chosen.format == "github":
        chosen.console.answer_text(findings_github(found))
    elif found:
        chosen.console.complain_of(found, files=len(set(named)))
    if every:
        chosen.console.answer(checked_lines((name, how, one.summary) for name, how, one in every))
    if not found:
        files_word = counted(len(every), "file")
        chosen.console.answer([Line(f"{files_word}: no problems.")])
    return code


def show_statistics(chosen: Options, name: str, *, kind: str | None) -> int:
    """Show how a file's or an object's examples are spread; give the exit code."""
    method = _method(chosen, name, kind)
    scan = _scanned(chosen, name, Scan(method=method, limits=ANY, measured=True))
    checked = judge(scan, name)
    if scan.format is not None or not scan.examples:
        raise InputError(checked.findings)
    tokens, turns = distribution(scan.sizes or ()), distribution(scan.turns or ())
    found = Statistics(
        name=name, method=method, summary=checked.summary, tokens=tokens, turns=turns
    )
    if chosen.machine:
        document = statistics_json(found)
        chosen.console.answer_json({"formatVersion": 1, "command": "data stats", **document})
        return 0
    chosen.console.answer(statistics_lines(found, width=shutil.get_terminal_size().columns))
    if has_errors(checked.findings):
        chosen.console.say([Line("Some lines are not as they must be: `tuneops data check` them.")])
    return 0


def show_difference(chosen: Options, old: str, new: str, *, kind: str | None) -> int:
    """Show how two versions of a dataset differ; give the exit code."""
    was, now = (_first_line(chosen, name) for name in (old, new))
    for name, line in ((old, was), (new, now)):
        if (other := other_format(line)) is not None:
            message = f"this is {other.name}, not one JSON object on each line"
            help_ = other.help.replace("FILE", name)
            raise InputError((_finding(name, message, help_, code="dataset-format"),))
    method = Method(kind) if kind else _looks_like(now or was)
    with _opened(chosen, old) as before, _opened(chosen, new) as after:
        found = compare(before, after, method)
    if chosen.machine:
        document = difference_json(old, new, found)
        chosen.console.answer_json({"formatVersion": 1, "command": "data diff", **document})
    else:
        chosen.console.answer(difference_lines(old, new, found))
    return 0


def convert_file(
    chosen: Options,
    name: str,
    out: Path | None,
    *,
    kind: str | None,
    drop: Sequence[str],
    force: bool,
) -> int:
    """Write a file's or an object's examples in the service's format; give the exit code."""
    local = not name.startswith(_BUCKET)
    path = Path(name if local else name.rpartition("/")[2])
    out = out or path.parent / f"{path.stem or 'data'}.converted.jsonl"
    if local and out.exists() and path.exists() and out.samefile(path) and not force:
        raise _refused(name, "the file would replace itself", "name another one with `--out`")
    run = Conversion(path=name, method=Method(kind) if kind else None, dropped=drop)
    with _opened(chosen, name) as found:
        write_blocks(out, _all_or_none(run, run.lines(found)), replace=force)
    assert run.method is not None
    if chosen.machine:
        chosen.console.answer_json(
            {
                "formatVersion": 1,
                "command": "data convert",
                "file": name,
                "out": str(out),
                "kind": run.method.value,
                "examples": run.examples,
            }
        )
        return 0
    words = f"{counted(run.examples, 'example')}, {run.method}"
    chosen.console.answer([Line(f"{out}: {words}."), Line(f"Look at it: tuneops data check {out}")])
    return 0


def _all_or_none(run: Conversion, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield from lines
    if run.refused:
        more = run.refused - len(run.findings)
        last = [] if more <= 0 else [_more(run, more)]
        raise InputError((*run.findings, *last))
    if not run.examples:
        message = "there are no examples in it"
        raise InputError((_finding(run.path, message, _ANOTHER, code="dataset-empty"),))


def _more(run: Conversion, more: int) -> Diagnostic:
    message = f"{counted(more, 'more line', 'more lines')} cannot be converted either"
    return _finding(run.path, message, "mend the first ones, and convert it again")


def _media(chosen: Options, every: Sequence[Checked]) -> list[Diagnostic]:
    named = next((one.named[0][1].uri for one in every if one.named), None)
    if named is None:
        return []
    from tuneops.cli.media import look_for
    from tuneops.cli.services import join_store

    with join_store(_project_of(chosen, named)) as store:
        return look_for(store, every)


def _same(name: str) -> Diagnostic:
    return _finding(
        name,
        "the file is checked on the data that it is trained on",
        "name another file with `--validation`",
        code="same-dataset",
    )


def _limits(chosen: Options, model: str | None) -> Limits:
    return ANY if model is None else limits_of(named_model(known_models(chosen), model))


def _each(
    chosen: Options, names: Sequence[str], limits: Limits, kind: str | None
) -> list[tuple[str, _Read]]:
    """What each file or object gave, in their order; files one by one, and objects several at once.

    The files come first: a large one is read by a process beside this one, made while there are no
    threads yet.
    """

    def read(name: str) -> _Read:
        try:
            return read_dataset(chosen, name, limits, kind)
        except (InputError, ProviderError, NoCredentials) as fault:
            return fault

    objects = [name for name in names if name.startswith(_BUCKET)]
    given = {name: read(name) for name in names if name not in objects}
    if objects:
        with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
            given |= zip(objects, pool.map(read, objects), strict=True)
    return [(name, given[name]) for name in names]


def read_dataset(
    chosen: Options, name: str, limits: Limits, kind: str | None
) -> tuple[Method, Checked]:
    """Check a whole file or object; InputError when it cannot be read."""
    method = _method(chosen, name, kind)
    return method, judge(_scanned(chosen, name, Scan(method=method, limits=limits)), name)


def _method(chosen: Options, name: str, kind: str | None) -> Method:
    """The method that was named, or that the first example looks like."""
    return Method(kind) if kind else _looks_like(_first_line(chosen, name))


def _looks_like(line: bytes) -> Method:
    return Method.PREFERENCE if b'"completions"' in line else Method.SUPERVISED


def _first_line(chosen: Options, name: str) -> bytes:
    """The first line that is not blank, as far as the head of the file has it."""
    with _opened(chosen, name) as opened:
        head = b""
        while len(head) < _HEAD and (block := next(opened, b"")):
            head += block
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]


def _scanned(chosen: Options, name: str, scan: Scan) -> Scan:
    if not name.startswith(_BUCKET):
        _refuse_address(name)
        return scan_file(Path(name), name=name, scan=scan)
    with _opened(chosen, name) as found:
        scan.read(found)
    return scan


@contextlib.contextmanager
def _opened(chosen: Options, name: str) -> Iterator[Iterator[bytes]]:
    """The bytes of a file, or of an object of the project's environment, read by ranges at once.

    InputError, before anything is sent, for a name that nothing can have.
    """
    if not name.startswith(_BUCKET):
        _refuse_address(name)
        with open_file(Path(name), name) as stream:
            yield blocks(stream)
        return
    from tuneops.cli.services import join_store
    from tuneops.gcs.names import ObjectName

    if ObjectName.parse(name) is None:
        message = f"`{name[:80]}` names no object"
        raise InputError((_finding(name, message, _NO_OBJECT, code="bad-dataset"),))
    with join_store(_project_of(chosen, name)) as store:
        stored = store.describe(name)
        if stored is None:
            message = f"dataset `{name}` does not exist"
            help_ = _NO_PATTERN if set("*?[") & set(name) else _NOT_THERE
            raise InputError((_finding(name, message, help_, code="dataset-missing"),))
        with store.read(stored) as found:
            yield found


def _project_of(chosen: Options, name: str) -> Project:
    """The project whose environment's login reads an object."""
    try:
        return open_project(chosen)
    except InputError as fault:
        if fault.findings[0].code != "no-project":
            raise
        note = f"`{name[:80]}` is read with the login of an environment, which a project declares"
        raise InputError((replace(fault.findings[0], notes=(note,)),)) from fault


def _refuse_address(name: str) -> None:
    """Say what to do about what looks like data and is no file."""
    help_ = _NO_PIPE if name == "-" else _NO_ADDRESS if "://" in name else None
    if help_ is not None and not Path(name).exists():
        message = f"a dataset is a file or `gs://bucket/object.jsonl`, not `{name[:80]}`"
        raise InputError((_finding(name, message, help_, code="bad-dataset"),))


def _refused(name: str, message: str, help_: str) -> InputError:
    return InputError((_finding(name, message, help_),))


def _finding(path: str, message: str, help_: str, *, code: str = "dataset-convert") -> Diagnostic:
    where = SourceRef(path=path, line=1, column=1)
    return Diagnostic(code=code, message=message, where=where, help=help_)
