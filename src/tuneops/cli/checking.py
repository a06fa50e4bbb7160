"""Look into datasets before money is spent on them."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from tuneops.cli.project import Project, is_inside
from tuneops.core.address import Address
from tuneops.core.desired import DatasetRef, DesiredGraph
from tuneops.core.plan import Plan
from tuneops.core.recipe import Method
from tuneops.costs.amounts import Tokens
from tuneops.datasets.checks import Checked, DatasetSummary, check, check_validation
from tuneops.datasets.files import check_file, check_head, first_lines
from tuneops.datasets.limits import Limits, limits_of
from tuneops.diagnostics import Diagnostic, has_errors, sort_key
from tuneops.errors import InputError

if TYPE_CHECKING:
    from tuneops.core.lock import Lock
    from tuneops.engine.ports import ObjectStore
    from tuneops.gcs.objects import GcsObjects

OBJECTS_AT_ONCE = 4
"""How many objects are read at the same time, each by several ranges."""

_Use = tuple[Method, Limits, DatasetRef | None, DatasetRef | None]

Depth = Literal["none", "sample", "full"]
"""How much of each file is read: nothing, its head, or all of it."""


def check_data(
    project: Project,
    addresses: Container[Address] | None = None,
    depth: Depth = "full",
    store: "GcsObjects | None" = None,
    look: Callable[[Sequence[Checked]], list[Diagnostic]] | None = None,
) -> tuple[list[DatasetSummary], list[Diagnostic]]:
    """Check every local dataset that some jobs name, all by default, each once a use.

    With a `store`, objects in buckets as well, several of them at once; `look` may find more in
    what was read.
    """
    checks = _Checks(project, depth)
    models = project.resolution.models
    limits_for = cache(lambda name: limits_of(models.find(name) if name else None))
    uses: dict[tuple[object, ...], _Use] = {}  # each file once, however many stages name it
    for use in project.resolution.data:
        if addresses is None or use.address in addresses:
            limits = limits_for(use.base_model)
            names = (ref.location if ref else None for ref in (use.training, use.validation))
            same = (use.method, id(limits), *names)
            uses.setdefault(same, (use.method, limits, use.training, use.validation))
    if store is not None:
        checks.fetch(store, uses.values())
    for method, limits, training, validation in uses.values():
        checks.add(method, limits, training, validation)
    read = [found for found in checks.checked.values() if found is not None]
    findings = [*checks.findings(), *(look(read) if look else ())]
    files = {found.path: found.summary for found in read}
    return list(files.values()), sorted(dict.fromkeys(findings), key=sort_key)


@dataclass(slots=True)
class _Checks:
    project: Project
    depth: Depth
    checked: dict[tuple[str, Method, Limits], Checked | None] = field(default_factory=dict)
    beside: dict[tuple[str, str], tuple[Diagnostic, ...]] = field(default_factory=dict)
    unreadable: list[Diagnostic] = field(default_factory=list)

    def add(
        self,
        method: Method,
        limits: Limits,
        training: DatasetRef | None,
        validation: DatasetRef | None,
    ) -> None:
        trained = self._check(training, method, limits)
        held = self._check(validation, method, limits)
        if trained and held and self.depth == "full":
            pair = trained.path, held.path
            self.beside[pair] = check_validation(trained, held, limits)

    def fetch(self, store: "GcsObjects", uses: Iterable[_Use]) -> None:
        """Check the objects that these uses name, so that `add` finds them checked."""
        wanted = {
            (ref.location, method, limits): ref
            for method, limits, *refs in uses
            for ref in refs
            if ref is not None and not ref.is_local and not ref.is_unknown
        }
        with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
            reading = {
                key: pool.submit(self._fetched, store, ref, *key[1:]) for key, ref in wanted.items()
            }
            for key, one in reading.items():
                found = one.result()
                if isinstance(found, Diagnostic):
                    self.unreadable.append(found)
                else:
                    self.checked[key] = found

    def _fetched(
        self, store: "GcsObjects", ref: DatasetRef, method: Method, limits: Limits
    ) -> Checked | Diagnostic:
        stored = store.describe(ref.location)
        if stored is None:
            return Diagnostic(
                code="dataset-missing",
                message=f"dataset `{ref.location}` does not exist",
                where=ref.where,
                help="put the object there, or mend its name",
            )
        with store.read(stored) as found:
            blocks = found if self.depth == "full" else first_lines(found)
            return check(blocks, path=ref.location, method=method, limits=limits)

    def findings(self) -> Iterator[Diagnostic]:
        """Each finding once, however many jobs use the file."""
        every = [*self.unreadable]
        for found in self.checked.values():
            every += found.findings if found else ()
        for findings in self.beside.values():
            every += findings
        yield from dict.fromkeys(every)

    def _check(self, ref: DatasetRef | None, method: Method, limits: Limits) -> Checked | None:
        if ref is None:
            return None
        key = ref.location, method, limits
        if not ref.is_local:
            return self.checked.get(key)
        if key not in self.checked:
            path = self.project.file(ref.location)
            reads = check_file if self.depth == "full" else check_head
            self.checked[key] = None
            if is_inside(path, self.project.root):  # else it is a finding of the project
                try:
                    found = reads(path, name=ref.location, method=method, limits=limits)
                    self.checked[key] = found
                    if self.depth == "full":
                        self.project.summaries[ref.location, method] = found.summary
                except InputError as fault:
                    self.unreadable += fault.findings
        return self.checked[key]


def refuse_bad_data(
    project: Project, graph: DesiredGraph, lock: "Lock", objects: "ObjectStore | None" = None
) -> None:
    """Refuse to go on while data of a job that was never asked for has errors.

    Small `objects` are looked into as well, where there is a store of them. Data that a job has
    read already is not looked into again. InputError, before any create.
    """
    asked = {creation.lineage for _, _, creation in lock.creations()}
    new = {job.address for job in graph.jobs if job.lineage not in asked}
    findings = tuple(check_data(project, new)[1])
    far = any(job.address in new and job.training.file is None for job in graph.jobs)
    if objects is not None and far:
        from tuneops.cli.buckets import check_small  # compares examples: not for local data

        findings += tuple(check_small(project, graph, objects, new))
    if has_errors(findings):
        raise InputError(findings)


def tokens_of(project: Project, location: str, method: Method) -> Tokens | None:
    """The tokens of one pass over a local dataset; None if it cannot be read."""
    found = _summary(project, location, method)
    return Tokens(found.tokens.low, found.tokens.high) if found else None


def with_unpinned(plan: Plan, project: Project, graph: DesiredGraph) -> Plan:
    """A plan that says where what is bought depends on files that nobody can pin.

    Local data is read if it was not; of objects that were not read nothing is said.
    """
    linked = {}
    for change in plan.buys:
        job = graph.find_text(change.address)
        if job is not None:
            how, file = job.recipe.method, job.training.file
            key = file or job.training.dataset.uri, how
            found = _summary(project, file, how) if file else project.summaries.get(key)
            if found is not None and found.linked:
                linked[change.address] = found.linked
    return replace(plan, unpinned=linked)


def _summary(project: Project, location: str, method: Method) -> DatasetSummary | None:
    """What a local dataset amounts to; read once a run, None if it cannot be."""
    if (location, method) not in project.summaries:
        path = project.file(location)
        if not is_inside(path, project.root):
            return None
        try:
            found = check_file(path, name=location, method=method, limits=limits_of(None))
        except InputError:
            return None
        project.summaries[location, method] = found.summary
    return project.summaries[location, method]
