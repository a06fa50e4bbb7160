"""The one door: from the texts of a project to its declaration and all findings of all files."""

from collections.abc import Iterable, Mapping, Sequence

from tuneops.diagnostics import Diagnostic, SourceRef, has_errors, sort_key
from tuneops.spec.environment import choose
from tuneops.spec.parse import Document, parse
from tuneops.spec.project import gather, kind_of, sorted_by_kind
from tuneops.spec.resolve import Resolution, resolve
from tuneops.spec.rules import check
from tuneops.spec.rules.data import data_uses
from tuneops.spec.suppose import suppose
from tuneops.spec.text import SourceText


def load(
    texts: Sequence[SourceText],
    *,
    environment: str | None,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    suppositions: Sequence[str] = (),
) -> Resolution:
    """Read a whole project for one environment; None stands for its default.

    `variables` override those of the environment; `env` is read only for names under `allowEnv`.
    `suppositions` are values that the specs do not have, laid over them (`spec.suppose`). Nothing
    is raised, whatever the texts say.
    """
    parsed = parse(texts)
    documents, unkind = sorted_by_kind(parsed.documents)
    documents, unfit = suppose(documents, suppositions)
    workspaces = [document for document in documents if kind_of(document) == "Workspace"]
    choice = choose(workspaces, environment, variables, env)
    complete = parsed.whole and not unkind
    project, unread = gather(documents, choice, complete=complete)
    findings = _ordered(
        (
            *parsed.findings,
            *unkind,
            *unfit,
            *_further(workspaces),
            *choice.findings,
            *unread,
            *check(project),
        )
    )
    chosen = project.place is not None
    ready = chosen and not has_errors(findings)
    assert ready or has_errors(findings), "a project without errors has an environment"
    data = tuple(data_uses(project))
    return Resolution(
        declaration=resolve(project, data) if ready else None,
        findings=findings,
        workspace=project.workspace.metadata.name if project.workspace else None,
        environment=choice.environment,
        environments=choice.environments,
        default_environment=choice.default,
        data=data,
        models=project.models,
    )


def _further(workspaces: list[Document]) -> Iterable[Diagnostic]:
    """Every workspace but the first."""
    for document in workspaces[1:]:
        first, kind = workspaces[0].root.get("kind"), document.root.get("kind")
        assert first is not None and kind is not None
        place = first.span.where
        yield Diagnostic(
            code="second-workspace",
            message="a project has one `Workspace`",
            where=kind.span.where,
            notes=(f"the first is at {place.path}:{place.line}:{place.column}",),
            help="move its environments there",
        )


def _ordered(findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Every finding once, in the order of the files. A default shared by stages is one place."""
    seen: dict[tuple[SourceRef | None, str, str], Diagnostic] = {}
    for finding in findings:
        seen.setdefault((finding.where, finding.code, finding.message), finding)
    return tuple(sorted(seen.values(), key=sort_key))
