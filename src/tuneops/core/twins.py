"""Two addresses that ask for one and the same training."""

from collections.abc import Iterator

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.diagnostics import Diagnostic


def identical_jobs(graph: DesiredGraph) -> Iterator[Diagnostic]:
    """Find addresses that ask for one and the same training: they would be one job."""
    first: dict[str, DesiredJob] = {}
    for job in graph.jobs:
        earlier = first.setdefault(job.lineage, job)
        if earlier is not job:
            place = earlier.where
            yield Diagnostic(
                code="identical-jobs",
                message=f"`{job.address}` asks for exactly the same training as "
                f"`{earlier.address}`",
                where=job.where,
                notes=(f"`{earlier.address}` is at {place.path}:{place.line}:{place.column}",),
                help="continue from it with `from:`, or give one of them a `nonce` to train twice",
            )
