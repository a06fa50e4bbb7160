"""Rules about what is bought and when: places, models, epochs, keys, retirement, frozen times."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tuneops.core.desired import DesiredJob
from tuneops.core.plan import Plan
from tuneops.core.rules import Rules
from tuneops.core.view import View
from tuneops.costs.estimates import Estimator
from tuneops.diagnostics import Diagnostic, Severity, SourceRef

if TYPE_CHECKING:
    from tuneops.catalog.models import Model

Bar = tuple[tuple[str, ...], str, Diagnostic]
"""The addresses that may not be bought, why in few words, and the finding."""

_Breach = tuple[str, SourceRef | None, str, str]
"""What of a job the policy does not allow, the rule's place, the message, the help."""

NAMED = 5
"""How many jobs a finding names."""

WARNED = timedelta(days=90)
"""How long before a retirement a plan speaks of it."""

DYING = timedelta(days=14)
"""What is bought later than this before a retirement could hardly be used: our choice. Jobs take
hours, and a tuned model goes on the day of its base model."""


def forbidden(plan: Plan, view: View, estimator: Estimator) -> Iterator[Bar]:
    """What the policy says to the paid lines: a finding for each breach, whoever commits it."""
    rules, location = view.graph.target.rules, view.graph.target.location
    found: dict[_Breach, list[DesiredJob]] = {}
    for change in plan.buys:
        job = view.graph.find_text(change.address)
        assert job is not None, "what is bought is desired"
        for breach in _breaches(rules, location, job, estimator):
            found.setdefault(breach, []).append(job)
    for (words, where, message, help), jobs in found.items():
        others = f", like {len(jobs) - 1} more," if len(jobs) > 1 else ""
        places = [f"`{job.address}` is at {_place(job.where)}" for job in jobs[:NAMED]]
        if len(jobs) > NAMED:
            places.append(f"and {len(jobs) - NAMED} more")
        finding = Diagnostic(
            code="policy",
            message=f"`{jobs[0].address}`{others} {message}",
            where=where,
            notes=tuple(places),
            help=help,
        )
        yield tuple(str(job.address) for job in jobs), words, finding


def _breaches(
    rules: Rules, location: str, job: DesiredJob, estimator: Estimator
) -> Iterator[_Breach]:
    for allowed in rules.locations:
        if location not in allowed.words:
            message = f"would be tuned in `{location}`, which the policy does not allow"
            yield "location", allowed.where, message, f"allowed: {', '.join(allowed.words)}"
    for allowed in rules.models:
        base = estimator.base(job.recipe)
        if base not in allowed.words:
            what = (
                f"descends from `{base}`" if base else "descends from a base model not known here"
            )
            message = f"{what}, which the policy does not allow"
            yield "base model", allowed.where, message, f"allowed: {', '.join(allowed.words)}"
    epochs = job.recipe.hyper_parameters.epoch_count
    for most in rules.epochs:
        if epochs is None or epochs > most.most:
            what = f"asks for {epochs} epochs" if epochs else "leaves its epochs to the service"
            message = f"{what}, and the policy allows {most.most}"
            yield "epochs", most.where, message, f"set `epochCount` to at most {most.most}"
    for where in rules.encryption:
        if job.recipe.encryption_key is None:
            message = "has no key of its own, which the policy requires"
            yield "encryption", where, message, "set `encryptionSpec` in the environment or the job"


def retiring(plan: Plan, view: View, estimator: Estimator) -> Iterator[Bar]:
    """Base models that go: a confirmed day bars what would die soon, anything else warns.

    On an emulator nothing retires: its time is virtual, and so are its models.
    """
    if view.graph.target.provider == "emulator":
        return
    today = view.observed.at.astimezone(UTC).date()
    lines: dict[str, tuple[Model, list[str], SourceRef]] = {}
    for change in plan.buys:
        job = view.graph.find_text(change.address)
        model = estimator.model(job.recipe) if job else None
        if job is None or model is None or model.retires is None or model.retires.day is None:
            continue
        if today + WARNED >= model.retires.day:
            lines.setdefault(model.id, (model, [], job.where))[1].append(change.address)
    for model, addresses, where in lines.values():
        assert model.retires is not None, "only models with a day are kept"
        day, sure = model.retires.on, model.confirmed("retires")
        dead = sure and day is not None and today + DYING >= day
        when = f"on {day}" if day else f"from {model.retires.not_before} on"
        yield (
            tuple(addresses) if dead else (),
            "model retires",
            Diagnostic(
                code="model-retires",
                message=f"`{model.id}` {'retires' if sure else 'may retire'} {when}"
                + (": a model tuned from it now would be of no use" if dead else ""),
                where=where,
                notes=(f"{'confirmed' if sure else 'not confirmed'}: {model.source('retires')}",),
                help="a tuned model goes with its base model; another date can be given in "
                "`specs/models.yaml`",
                severity=Severity.ERROR if dead else Severity.WARNING,
            ),
        )


def frozen(rules: Rules, at: datetime) -> tuple[datetime, str, Diagnostic] | None:
    """The freeze that holds longest, if any holds."""
    found = [(until, freeze) for freeze in rules.freezes if (until := freeze.until(at)) is not None]
    if not found:
        return None
    until, freeze = max(found, key=lambda item: item[0])
    end = until.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    why = f" ({freeze.reason})" if freeze.reason else ""
    return (
        until,
        f"freeze until {end}",
        Diagnostic(
            code="freeze",
            message=f"nothing is bought until {end}{why}",
            where=freeze.where,
            notes=("what is free goes on",),
            help="a scheduled `tuneops reconcile` buys it then; a person changes the freeze",
            severity=Severity.WARNING,
        ),
    )


def _place(where: SourceRef) -> str:
    return f"{where.path}:{where.line}:{where.column}"
