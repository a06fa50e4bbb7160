"""What a job starts from and how it trains: one of each, pinned, in a documented order."""

import re
from collections.abc import Iterator
from decimal import Decimal

from tuneops.core.recipe import Method
from tuneops.diagnostics import Diagnostic, Severity
from tuneops.spec.project import METHODS, SOURCES, Draft, Project
from tuneops.spec.schema import PreferenceOptimizationSpec, SupervisedTuningSpec

MODEL_NAME = re.compile(
    r"projects/(?P<project>[^/\s]+)/locations/(?P<location>[a-z0-9-]+)/models/(?P<model>[0-9A-Za-z_-]+)"
    r"(@(?P<version>[^@/\s]*))?"
)
_RECOMMENDED_BETA = (Decimal("0.01"), Decimal("0.5"))


SHORT = re.compile(r"tuningJobs/\d+|models/\d+@\d+")

ADOPTABLE = re.compile(
    r"projects/[^/\s]+/locations/[a-z0-9-]+/(tuningJobs/[0-9]+|models/[0-9A-Za-z_-]+@[0-9]+)"
)


def adopts_version(draft: Draft) -> bool:
    """Say whether a job takes over a model version: what it was trained on may be unknown."""
    adopt = draft.spec.adopt or ""
    return "@" in adopt and ADOPTABLE.fullmatch(adopt) is not None


def training(draft: Draft) -> SupervisedTuningSpec | PreferenceOptimizationSpec | None:
    """The training part of a job, if it has exactly one."""
    spec = draft.spec
    if spec.supervised_tuning_spec and spec.preference_optimization_spec:
        return None
    return spec.supervised_tuning_spec or spec.preference_optimization_spec


def method(draft: Draft) -> Method | None:
    """The method of a job, if it has exactly one."""
    match training(draft):
        case SupervisedTuningSpec():
            return Method.SUPERVISED
        case PreferenceOptimizationSpec():
            return Method.PREFERENCE
        case _:
            return None


def method_key(draft: Draft) -> str:
    """The key under which a job says how it trains."""
    return METHODS[0] if draft.spec.supervised_tuning_spec else METHODS[1]


def has_one_source(project: Project) -> Iterator[Diagnostic]:
    """A job starts from one thing."""
    for draft in project.drafts:
        given = [name for name in SOURCES if draft.root.get(name) is not None]
        if len(given) > 1:
            first = draft.key(given[0])
            yield Diagnostic(
                code="two-sources",
                message=f"`{draft.address}` has both `{given[0]}` and `{given[1]}`",
                where=draft.key(given[1]),
                notes=(f"`{given[0]}` is at {first.path}:{first.line}:{first.column}",),
                help="keep one: what the job starts from",
            )
        elif not given and draft.above is None and draft.whole:
            yield Diagnostic(
                code="no-source",
                message=f"`{draft.address}` does not say what it starts from",
                where=draft.where,
                help="add `baseModel: gemini-2.5-flash`, or `from:` with another job",
            )


def has_one_method(project: Project) -> Iterator[Diagnostic]:
    """A job trains in one way, on data that it names."""
    for draft in project.drafts:
        given = [name for name in METHODS if draft.root.get(name) is not None]
        if len(given) > 1:
            yield Diagnostic(
                code="two-methods",
                message=f"`{draft.address}` has both `{given[0]}` and `{given[1]}`",
                where=draft.key(given[1]),
                help="make two stages of it, the second with `from:` the first",
            )
        elif not given and draft.whole:
            yield Diagnostic(
                code="no-method",
                message=f"`{draft.address}` does not say how it trains",
                where=draft.where,
                help="add `supervisedTuningSpec:` or `preferenceOptimizationSpec:`",
            )
        spec = training(draft)
        unnamed = spec is not None and spec.training_dataset_uri is None
        if unnamed and draft.whole and not adopts_version(draft):
            yield Diagnostic(
                code="missing-field",
                message=f"`trainingDatasetUri` is missing in `{given[0]}` of `{draft.address}`",
                where=draft.key(given[0]),
            )


def sequence_is_documented(project: Project) -> Iterator[Diagnostic]:
    """Google documents what may follow supervised tuning, not what may follow preference tuning."""
    for draft in project.drafts:
        parent = project.parent(draft)
        if parent is None or method(parent) is not Method.PREFERENCE or method(draft) is None:
            continue
        opted_in = draft.spec.allow_undocumented_sequence
        yield Diagnostic(
            code="undocumented-sequence",
            message=f"`{draft.address}` continues a preference-tuned model, "
            "which the service's documents do not describe",
            where=draft.key(method_key(draft)),
            severity=Severity.WARNING if opted_in else Severity.ERROR,
            help="the service may refuse the job"
            if opted_in
            else "continue from a supervised stage, or set `allowUndocumentedSequence: true`",
        )


def tuned_model_is_named(project: Project) -> Iterator[Diagnostic]:
    """A tuned model goes by its resource name; its version is a number, an alias or left out."""
    for draft in project.drafts:
        source = draft.spec.pre_tuned_model
        if source is None:
            continue
        where = draft.at("preTunedModel", "tunedModelName")
        name = MODEL_NAME.fullmatch(source.tuned_model_name)
        if not name:
            yield Diagnostic(
                code="bad-value",
                message="`tunedModelName` must be `projects/…/locations/…/models/…`, with `@2` or "
                "an alias after it if you like, "
                f'not "{source.tuned_model_name[:80]}"',
                where=where,
                help="`baseModel:` takes a base model",
            )


def beta_is_as_recommended(project: Project) -> Iterator[Diagnostic]:
    """Google recommends a range; outside it training goes on, to little use."""
    low, high = _RECOMMENDED_BETA
    for draft in project.drafts:
        spec = draft.spec.preference_optimization_spec
        beta = spec.hyper_parameters.beta if spec and spec.hyper_parameters else None
        if beta is not None and not low <= beta <= high:
            yield Diagnostic(
                code="unusual-value",
                message=f"`beta` is {beta}; Google recommends {low} to {high}",
                where=draft.at(METHODS[1], "hyperParameters", "beta"),
                severity=Severity.WARNING,
            )


def _in_full(project: Project, adopt: str) -> str:
    """What to write instead of a name that is short, as plans and tables show names."""
    place = project.place
    if place is None or not SHORT.fullmatch(adopt):
        return "`tuneops discover` lists the jobs that can be adopted"
    return f"in full: `projects/{place.project}/locations/{place.location}/{adopt}`"


def adopted_job_is_named(project: Project) -> Iterator[Diagnostic]:
    """What is adopted goes by its resource name: a job, or a version of a model."""
    for draft in project.drafts:
        adopt = draft.spec.adopt
        if adopt is not None and not ADOPTABLE.fullmatch(adopt):
            yield Diagnostic(
                code="bad-value",
                message="`adopt` must be `projects/…/locations/…/tuningJobs/…` or "
                f'`…/models/…@2`, not "{adopt[:80]}"',
                where=draft.at("adopt"),
                help=_in_full(project, adopt),
            )
        elif draft.spec.as_is and adopt is None:
            yield Diagnostic(
                code="bad-value",
                message="`asIs` belongs to `adopt`",
                where=draft.key("asIs"),
                help="leave it out",
            )
