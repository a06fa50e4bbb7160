"""What only shows when all documents are seen together: one function a rule, in `RULES`.

A rule reads a `Project` and yields findings; it changes nothing and asks no other rule. Rules about
what is *missing* stay silent where something had to be left out, since it may have been that.
"""

from collections.abc import Callable, Iterator

from tuneops.diagnostics import Diagnostic
from tuneops.spec.project import Project
from tuneops.spec.rules import (
    checkpoints,
    data,
    evaluations,
    labels,
    metrics,
    models,
    moves,
    names,
    parents,
    places,
    promotions,
    sources,
)

Rule = Callable[[Project], Iterator[Diagnostic]]

RULES: tuple[Rule, ...] = (
    names.has_a_workspace,
    names.names_are_unique,
    names.names_are_well_formed,
    names.names_fit_a_label,
    names.environments_exist,
    parents.parents_exist,
    parents.parents_are_enabled,
    parents.no_cycles,
    parents.acceptance_has_a_parent,
    moves.old_addresses_are_gone,
    moves.old_addresses_have_one_heir,
    moves.old_names_are_gone,
    moves.versions_are_removed_once,
    sources.has_one_source,
    sources.has_one_method,
    sources.sequence_is_documented,
    sources.tuned_model_is_named,
    sources.beta_is_as_recommended,
    sources.adopted_job_is_named,
    checkpoints.checkpoint_has_a_parent,
    checkpoints.checkpoint_is_kept,
    checkpoints.checkpoint_is_reached,
    data.datasets_are_readable,
    data.datasets_differ,
    data.local_data_has_a_bucket,
    evaluations.evaluation_is_complete,
    evaluations.evaluation_has_data,
    evaluations.metrics_are_one_thing,
    evaluations.pairwise_choices_are_counted,
    metrics.best_is_measured,
    metrics.gate_is_measured,
    metrics.gate_has_a_limit,
    promotions.stage_is_there,
    promotions.checkpoint_is_fixed,
    promotions.versions_are_of_environments,
    promotions.gate_has_a_rival,
    labels.labels_are_allowed,
    labels.labels_are_few,
    models.model_is_known,
    models.adapter_size_is_offered,
    models.adapter_size_is_kept,
    models.method_is_listed,
    models.model_takes_a_key,
    models.epochs_are_offered,
    places.locations_exist,
    places.emulators_share_nothing,
    places.location_tunes_the_model,
    places.keys_are_near,
    places.keys_stay_the_same,
    places.models_are_near,
)


def check(project: Project) -> Iterator[Diagnostic]:
    """Ask every rule."""
    for rule in RULES:
        yield from rule(project)
