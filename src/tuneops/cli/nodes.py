"""The jobs that words on the command line mean: addresses, patterns, chains, their relations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from tuneops.core.desired import DeclaredJob, ParentRef
from tuneops.core.lock import Lock
from tuneops.core.recipe import Upstream
from tuneops.errors import TuneopsError
from tuneops.spec.near import listed, meant

NOTHING = "nothing was made yet; `tuneops plan` shows what would be"

Parents = Mapping[str, str | None]
"""Addresses, in the order in which they are shown, each with the one it continues from."""


def select(words: Sequence[str], parents: Parents, where: str) -> list[str]:
    """The addresses that the words mean, in the order of `parents`.

    A word is an address, a pattern, or `chain/`; `+` before it adds what these descend from, `+`
    after it what descends from them. TuneopsError for a word that means none of them; `where` says
    in a sentence where they were looked for.
    """
    found: set[str] = set()
    for word in words:
        found |= set(_meant(word, parents, where))
    return [address for address in parents if address in found]


def no_such(word: str, known: Sequence[str], message: str) -> TuneopsError:
    """The fault of a name that nothing has, with the nearest one that there is; or its stages."""
    stages = [name for name in known if name.startswith(f"{word.rstrip('/')}/")]
    if stages:
        return TuneopsError(message, help=f"name one stage of it: {listed(stages)}")
    return TuneopsError(message, help=meant(word, known, "there are") or NOTHING)


def parents_of(jobs: Iterable[DeclaredJob]) -> Parents:
    """The addresses of jobs that specs declare, with the parents that they name."""
    sources = {str(job.address): job.source for job in jobs}
    return {
        address: str(source.address) if isinstance(source, ParentRef) else None
        for address, source in sources.items()
    }


def parents_in(lock: Lock) -> Parents:
    """All addresses of a lock, with the parents of what is there now."""
    return {address: _parent(lock, address) for address in sorted({*lock.jobs, *lock.retired})}


def _parent(lock: Lock, address: str) -> str | None:
    locked = lock.at(address)
    latest = locked.result or next((one for _, one in locked.history), None)
    source = latest.recipe.source if latest is not None else None
    return source.from_ if isinstance(source, Upstream) else None


def _meant(word: str, parents: Parents, where: str) -> Iterator[str]:
    name = word.removeprefix("+").removesuffix("+")
    pattern = f"{name}*" if name.endswith("/") else name
    found = [address for address in parents if fnmatchcase(address, pattern)]
    if not found:
        message = f"`{name}` is not in {where}"
        if any(address.startswith(f"{name}/") for address in parents):
            raise TuneopsError(message, help=f"did you mean `{name}/`, all of the chain?")
        raise no_such(name, list(parents), message)
    yield from found
    if word.startswith("+"):
        for address in found:
            yield from _above(address, parents)
    if word.endswith("+"):
        named = set(found)
        yield from (one for one in parents if not named.isdisjoint(_above(one, parents)))


def _above(address: str, parents: Parents) -> list[str]:
    """What an address descends from, nearest first."""
    line: list[str] = []
    step = parents.get(address)
    while step is not None and step not in line:
        line.append(step)
        step = parents.get(step)
    return line
