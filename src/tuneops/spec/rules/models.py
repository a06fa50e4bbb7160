"""Base models: what the table says of them, followed through a whole chain."""

import re
from collections.abc import Iterator

from tuneops.catalog.models import Model
from tuneops.core.recipe import Method
from tuneops.diagnostics import Diagnostic, Severity
from tuneops.spec.near import listed
from tuneops.spec.project import Draft, Project
from tuneops.spec.rules.sources import method, method_key, training

_MODEL = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*")


def base_model(project: Project, draft: Draft) -> str | None:
    """The base model that a job descends from, as far as the specs say."""
    return project.origin(draft).spec.base_model


def _row(project: Project, draft: Draft) -> Model | None:
    name = base_model(project, draft)
    return project.models.find(name) if name else None


def severity(row: Model, fact: str) -> Severity:
    """Only what was checked against the service itself stops a create."""
    return Severity.ERROR if row.confirmed(fact) else Severity.WARNING


def _adapter_size(draft: Draft) -> int | None:
    spec = training(draft)
    return spec.hyper_parameters.adapter_size if spec and spec.hyper_parameters else None


def model_is_known(project: Project) -> Iterator[Diagnostic]:
    """A model that the table lacks may be new, or misspelled."""
    for draft in project.enabled():
        name = draft.spec.base_model
        if name is None or project.models.find(name):
            continue
        if not _MODEL.fullmatch(name):
            last = name.rsplit("/", 1)[-1]
            yield Diagnostic(
                code="bad-value",
                message="`baseModel` must be the short name of a base model, such as "
                f'`gemini-2.5-flash`, not "{name[:80]}"',
                where=draft.at("baseModel"),
                help=f"write `{last}`"
                if project.models.find(last)
                else "a tuned model goes to `preTunedModel:`",
            )
            continue
        close = project.models.suggest(name)
        yield Diagnostic(
            code="unknown-model",
            message=f"`{name[:80]}` is not in the model table of this tuneops",
            where=draft.at("baseModel"),
            severity=Severity.WARNING,
            help=f"did you mean `{close}`?" if close else "its limits and prices are not checked",
        )


def adapter_size_is_offered(project: Project) -> Iterator[Diagnostic]:
    """Each base model offers some adapter sizes, and its tuned models the same."""
    for draft in project.enabled():
        size, row = _adapter_size(draft), _row(project, draft)
        if size is None or row is None or not row.adapter_sizes or size in row.adapter_sizes:
            continue
        yield Diagnostic(
            code="bad-adapter-size",
            message=f"`{row.id}` has no adapter size {size}",
            where=draft.at(method_key(draft), "hyperParameters", "adapterSize"),
            notes=(row.source("adapter_sizes"),),
            severity=severity(row, "adapter_sizes"),
            help=f"use one of {listed(map(str, row.adapter_sizes))}",
        )


def adapter_size_is_kept(project: Project) -> Iterator[Diagnostic]:
    """Nothing says that a continued adapter may change its size."""
    for draft in project.enabled():
        size = _adapter_size(draft)
        if size is None:
            continue
        ancestors = (one for one in project.line(draft) if one is not draft)
        above = next((one for one in ancestors if _adapter_size(one)), None)
        if above is None or _adapter_size(above) == size:
            continue
        yield Diagnostic(
            code="adapter-size-changes",
            message=f"`{draft.address}` changes the adapter size from {_adapter_size(above)} "
            f"to {size}, which the service's documents do not describe",
            where=draft.at(method_key(draft), "hyperParameters", "adapterSize"),
            severity=Severity.WARNING,
            help="keep the size of the stage that it continues, or leave it out",
        )


def method_is_listed(project: Project) -> Iterator[Diagnostic]:
    """Google lists which models take which method, and which can be continued."""
    for draft in project.enabled():
        row, how = _row(project, draft), method(draft)
        if row is None or how is None:
            continue
        if row.methods and how.value not in row.methods:
            yield Diagnostic(
                code="not-listed",
                message=f"{how.value} tuning of `{row.id}` is not listed in Google's documents",
                where=draft.key(method_key(draft)),
                severity=severity(row, "methods"),
                help=_help_method(how),
            )
        if row.continuous is False and project.parent(draft) is not None:
            yield Diagnostic(
                code="not-listed",
                message=f"continuing a tuned `{row.id}` is not listed in Google's documents",
                where=draft.at("from"),
                severity=severity(row, "continuous"),
                help="the service may refuse the job after its parent was paid for",
            )


def _help_method(how: Method) -> str:
    return f"the service may refuse the job; {how.value} tuning is listed for other models"


def model_takes_a_key(project: Project) -> Iterator[Diagnostic]:
    """Some models cannot be tuned under a customer's key."""
    for draft in project.enabled():
        row = _row(project, draft)
        if draft.spec.encryption_spec and row is not None and row.customer_key is False:
            yield Diagnostic(
                code="key-not-supported",
                message=f"`{row.id}` cannot be tuned with a customer-managed key",
                where=draft.at("encryptionSpec", "kmsKeyName"),
                notes=(row.source("customer_key"),),
                severity=severity(row, "customer_key"),
                help="remove `encryptionSpec`, or write `encryptionSpec: null` in the job",
            )


def epochs_are_offered(project: Project) -> Iterator[Diagnostic]:
    """A model may be tuned for so many epochs, where the table knows how many."""
    for draft in project.enabled():
        spec, row = training(draft), _row(project, draft)
        epochs = spec.hyper_parameters.epoch_count if spec and spec.hyper_parameters else None
        if epochs is None or row is None or row.max_epochs is None or epochs <= row.max_epochs:
            continue
        yield Diagnostic(
            code="too-many-epochs",
            message=f"`{row.id}` is tuned for at most {row.max_epochs} epochs, not {epochs}",
            where=draft.at(method_key(draft), "hyperParameters", "epochCount"),
            notes=(row.source("max_epochs"),),
            severity=severity(row, "max_epochs"),
            help=f"use at most {row.max_epochs}",
        )
