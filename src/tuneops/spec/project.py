"""The whole project at once: every job with all that is laid under it, before any rule is asked.

A job's fields come from four layers, the nearest first: its own, `defaults` of the same method, its
chain, its environment. Each field keeps the place where it is written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tuneops.catalog.models import Row, Table, built_in, table
from tuneops.core.address import Address
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.spec.environment import Choice
from tuneops.spec.near import near
from tuneops.spec.nodes import Mapping, Scalar, Sequence, Span, find, key_place, merged, value_place
from tuneops.spec.parse import Document
from tuneops.spec.promoting import PromotionSpec
from tuneops.spec.schema import (
    KINDS,
    EnvironmentSpec,
    TuningChain,
    TuningJobSpec,
    Workspace,
    validate,
)
from tuneops.spec.shape import lean, names_of
from tuneops.spec.table import ModelTable, rows_of
from tuneops.spec.text import Source, SourceText
from tuneops.spec.variables import Filled, fill

METHODS = ("supervisedTuningSpec", "preferenceOptimizationSpec")
SOURCES = ("baseModel", "preTunedModel", "from")
_SAID = ("description", "labels")
_NOTHING = Mapping(Span(Source.of(SourceText("", "")), 1, 1, 1), ())
_INHERITED = (
    "description",
    "labels",
    "encryptionSpec",
    "serviceAccount",
    "retry",
    "onSupersede",
    "onRemove",
    "onDatasetChange",
    "acceptPartial",
    "protect",
    "timeout",
    "nonce",
    "suspend",
    "enabledIn",
    "allowUndocumentedSequence",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Named:
    """A document with its name."""

    kind: str
    name: str
    where: SourceRef


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draft:
    """One job, everything laid under it. `whole` if nothing of its document was left out."""

    address: Address
    spec: TuningJobSpec
    root: Mapping
    name_node: Scalar
    whole: bool
    moved_from: Address | None
    """The address that the job had before."""
    above: Address | None = None
    """The stage above, if this is a stage and not the first."""
    model_name: str | None = None
    """The display name that the chain gives to the model of its first stages."""

    @property
    def where(self) -> SourceRef:
        """The place of the job's name."""
        return self.name_node.span.where

    def at(self, *path: str) -> SourceRef:
        """The place of a value, or of what ought to hold it, or of the job's name."""
        return value_place(self.root, path) if self.root.get(path[0]) is not None else self.where

    def key(self, *path: str) -> SourceRef:
        """The place of a key."""
        return key_place(self.root, path) if find(self.root, path) is not None else self.where

    @property
    def has_source(self) -> bool:
        """Say whether the job names what it starts from."""
        return any(self.root.get(name) is not None for name in SOURCES)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Promoting:
    """The promotion of a chain, or of a job on its own, and its place."""

    name: str
    spec: PromotionSpec
    root: Mapping
    where: SourceRef
    stage: Address
    """What it promotes, whether it exists or not: the job, or the stage that it names."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Project:
    """Everything that was read. `complete` if no document is missing from it."""

    names: tuple[Named, ...]
    workspace: Workspace | None
    workspace_root: Mapping | None
    environment: str | None
    environments: tuple[str, ...]
    drafts: tuple[Draft, ...]
    promotions: tuple[Promoting, ...]
    complete: bool
    models: Table = field(default_factory=table)
    """The model table, with the workspace's own rows."""
    _index: dict[Address, Draft] = field(init=False, repr=False, default_factory=dict)
    _enabled: tuple[Draft, ...] = field(init=False, repr=False)
    _named: dict[Draft, Address | None] = field(init=False, repr=False, default_factory=dict)
    _parents: dict[Draft, Draft | None] = field(init=False, repr=False, default_factory=dict)
    _origins: dict[Draft, Draft] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for draft in self.drafts:
            self._index.setdefault(draft.address, draft)
        known = self.environment
        enabled = tuple(one for one in self.drafts if not known or self.is_enabled(one))
        object.__setattr__(self, "_enabled", enabled)

    @property
    def place(self) -> EnvironmentSpec | None:
        """The chosen environment."""
        if self.workspace is None or self.environment is None:
            return None
        return self.workspace.spec.environments.get(self.environment)

    def find(self, address: Address) -> Draft | None:
        """The first job of this address."""
        return self._index.get(address)

    def parent_address(self, draft: Draft) -> Address | None:
        """What a job continues from, whether it exists or not; None if it is no job of ours."""
        if draft not in self._named:
            self._named[draft] = self._parent_address(draft)
        return self._named[draft]

    def _parent_address(self, draft: Draft) -> Address | None:
        written = draft.spec.from_
        if written is None:
            return None if draft.has_source else draft.above
        sibling = Address(draft.address.name, written)
        if "/" in written or not draft.address.stage:
            return Address.parse(written)
        elsewhere = sibling not in self._index and Address(written) in self._index
        return Address(written) if elsewhere else sibling

    def parent(self, draft: Draft) -> Draft | None:
        """The job that this one continues, if it is there."""
        if draft not in self._parents:
            address = self.parent_address(draft)
            self._parents[draft] = self._index.get(address) if address else None
        return self._parents[draft]

    def line(self, draft: Draft) -> Iterator[Draft]:
        """The job and those it descends from, nearest first; a cycle is walked once."""
        seen: set[Address] = set()
        one: Draft | None = draft
        while one is not None and one.address not in seen:
            seen.add(one.address)
            yield one
            one = self.parent(one)

    def origin(self, draft: Draft) -> Draft:
        """The job that the line of this one begins with."""
        walked: list[Draft] = []
        one, parent = draft, self.parent(draft)
        while parent is not None and one not in self._origins:
            walked.append(one)
            self._origins[one] = one
            one, parent = parent, self.parent(parent)
        first = self._origins.get(one, one)
        self._origins.update(dict.fromkeys(walked, first))
        return first

    def is_enabled(self, draft: Draft) -> bool:
        """Say whether the chosen environment has this job."""
        return draft.spec.enabled_in is None or self.environment in draft.spec.enabled_in

    def enabled(self) -> Iterator[Draft]:
        """The jobs of the chosen environment; all, while it is not known."""
        return iter(self._enabled)

    def stages(self, chain: str) -> tuple[Draft, ...]:
        """The stages of a chain, in the order of the file."""
        return tuple(one for one in self.drafts if one.address.name == chain and one.address.stage)


@dataclass(slots=True)
class _Gathering:
    complete: bool
    names: list[Named] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    promotions: list[Promoting] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    findings: list[Diagnostic] = field(default_factory=list)
    workspace: Workspace | None = None
    workspace_root: Mapping | None = None


def sorted_by_kind(documents: Iterable[Document]) -> tuple[list[Document], list[Diagnostic]]:
    """The documents whose kind is known, and findings about the others."""
    known: list[Document] = []
    findings: list[Diagnostic] = []
    for document in documents:
        kind = document.root.get("kind")
        if isinstance(kind, Scalar) and kind.text in KINDS:
            known.append(document)
            continue
        if kind is None:
            code, message = "missing-field", "`kind` is missing at the top of the document"
            where, help = document.root.span.where, f"write one of: {', '.join(KINDS)}"
        else:
            text = kind.text if isinstance(kind, Scalar) else "…"
            code, message = "unknown-kind", f"there is no kind `{text[:80]}`"
            where, close = kind.span.where, near(text, KINDS)
            help = f"did you mean `{close}`?" if close else f"kinds: {', '.join(KINDS)}"
        findings.append(Diagnostic(code=code, message=message, where=where, help=help))
    return known, findings


def kind_of(document: Document) -> str:
    """The kind of a document that `sorted_by_kind` knew."""
    kind = document.root.get("kind")
    assert isinstance(kind, Scalar), kind
    return kind.text


def gather(
    documents: Iterable[Document], choice: Choice, *, complete: bool
) -> tuple[Project, tuple[Diagnostic, ...]]:
    """Read every document as its kind says, and lay the layers under every job."""
    state = _Gathering(complete=complete)
    if choice.workspace is not None:
        _workspace(choice.workspace, state)
    below = _environment_layer(choice)
    for document in documents:
        kind = kind_of(document)
        if kind == "Workspace":
            continue
        filled = fill(document.root, choice.values) if document.refers else Filled(document.root)
        read = validate(KINDS[kind], filled.root)
        state.findings += (*filled.findings, *read.findings)
        clean = filled.whole and not read.findings
        if read.value is None:
            state.complete = False
            continue
        if isinstance(read.value, ModelTable):
            state.rows += rows_of(read.value, read.root)
            continue
        _note(kind, read.root, state)
        drafts = _chain if isinstance(read.value, TuningChain) else _job
        state.drafts += drafts(read.root, below, clean)
        if not isinstance(read.value, Workspace) and read.value.spec.promotion is not None:
            state.promotions.append(_promoting(kind, read.root, read.value.spec.promotion))
    project = Project(
        names=tuple(state.names),
        workspace=state.workspace,
        workspace_root=state.workspace_root,
        environment=choice.environment,
        environments=choice.environments,
        drafts=tuple(state.drafts),
        promotions=tuple(state.promotions),
        complete=state.complete,
        models=Table.of((*built_in(), *state.rows)) if state.rows else table(),
    )
    return project, tuple(state.findings)


def _workspace(document: Document, state: _Gathering) -> None:
    read = validate(Workspace, document.root)
    state.findings += read.findings
    state.workspace, state.workspace_root = read.value, read.root
    if read.value is not None:
        _note("Workspace", read.root, state)


def _note(kind: str, root: Mapping, state: _Gathering) -> None:
    name = _name(_child(root, "metadata"))
    state.names.append(Named(kind=kind, name=name.text, where=name.span.where))


def _promoting(kind: str, root: Mapping, spec: PromotionSpec) -> Promoting:
    name = _name(_child(root, "metadata")).text
    node = _child(_child(root, "spec"), "promotion")
    chain = kind == "TuningChain"
    return Promoting(
        name=name,
        spec=spec,
        root=node,
        where=key_place(root, ("spec", "promotion")),
        stage=Address(name, spec.stage or "") if chain else Address(name),
    )


def _environment_layer(choice: Choice) -> Mapping:
    root = choice.workspace.root if choice.workspace else _NOTHING
    found = find(root, ("spec", "environments", choice.environment or ""))
    if isinstance(found, Mapping) and choice.environment:
        return found.only(("encryptionSpec", "serviceAccount"))
    return _NOTHING


def _job(root: Mapping, below: Mapping, clean: bool) -> Iterator[Draft]:
    metadata, spec = _child(root, "metadata"), _child(root, "spec")
    own, laid, fits = _read(merged(merged(below, metadata.only(_SAID)), spec))
    name = _name(metadata)
    yield Draft(
        address=Address(name.text),
        spec=own,
        root=laid,
        name_node=name,
        whole=clean and fits,
        moved_from=Address.parse(own.moved_from) if own.moved_from else None,
    )


def _chain(root: Mapping, below: Mapping, clean: bool) -> Iterator[Draft]:
    metadata, spec = _child(root, "metadata"), _child(root, "spec")
    shared = merged(merged(below, metadata.only(_SAID)), spec.only(_INHERITED))
    first = merged(shared, spec.only((*SOURCES, "checkpoint")))
    defaults = spec.get("defaults")
    display = spec.get("tunedModelDisplayName")
    model_name = display.text if isinstance(display, Scalar) else None
    above: Address | None = None
    stages = spec.get("stages")
    for stage in stages.items if isinstance(stages, Sequence) else ():
        assert isinstance(stage, Mapping), stage
        laid = shared if above else first
        if isinstance(defaults, Mapping):
            given = [method for method in METHODS if stage.get(method) is not None]
            laid = merged(laid, defaults.only(given))
        own, laid, fits = _read(merged(laid, stage))
        name = _name(stage)
        address = Address(_name(metadata).text, name.text)
        yield Draft(
            address=address,
            spec=own,
            root=laid,
            name_node=name,
            whole=clean and fits,
            moved_from=_moved(stage, spec, address),
            above=above,
            model_name=model_name,
        )
        above = address


def _moved(stage: Mapping, chain: Mapping, address: Address) -> Address | None:
    """Where a stage was before, if it or its chain says so; a bare name is a stage's."""
    own, all_of_it = stage.get("movedFrom"), chain.get("movedFrom")
    name = all_of_it.text if isinstance(all_of_it, Scalar) else ""
    if isinstance(own, Scalar):
        if "/" in own.text:
            return Address.parse(own.text)
        return Address(name or address.name, own.text)
    return Address(name, address.stage) if name else None


def _read(root: Mapping) -> tuple[TuningJobSpec, Mapping, bool]:
    """One job with all its layers, each of which has been read before; what of it; if all fits."""
    read = validate(TuningJobSpec, root.only(names_of(TuningJobSpec)))
    assert read.value is not None, read.findings
    return lean(read.value), read.root, not read.findings


def _child(root: Mapping, name: str) -> Mapping:
    found = root.get(name)
    assert isinstance(found, Mapping), name
    return found


def _name(node: Mapping) -> Scalar:
    found = node.get("name")
    assert isinstance(found, Scalar), node
    return found
