"""The sample datasets that Google's documentation names, as stand-ins written here.

The addresses are Google's; the lines are ours, put together from the small lists below in a
fixed order, so that a fresh database always holds the same bytes.
"""

import json
from collections.abc import Iterator, Mapping

SAMPLE_BUCKET = "cloud-samples-data"
_FOLDERS = (
    "ai-platform/generative_ai/gemini/text/",
    "ai-platform/generative_ai/gemini-1_5/text/",
)

_PLACES = (
    ("the harbour", "boats wait for the tide", "fishermen mend their nets", "gulls"),
    ("the night market", "stalls sell dumplings and lamps", "students share a table", "steam"),
    ("the mountain hut", "walkers dry their boots", "the keeper reads the forecast", "snow"),
    ("the old library", "a clock strikes every quarter", "readers turn their pages", "dust"),
    ("the bus depot", "drivers compare their routes", "a dog sleeps under a bench", "diesel"),
    ("the greenhouse", "tomatoes ripen along the glass", "a gardener ties up the vines", "basil"),
    ("the lighthouse", "the lamp turns twice a minute", "ships answer with a horn", "salt"),
    ("the village bakery", "loaves cool on the sill", "children count their coins", "rye"),
    ("the river ferry", "cyclists lean on the rail", "the pilot hums an old song", "mud"),
    ("the print shop", "rollers turn out posters", "an apprentice mixes a blue", "ink"),
    ("the chess club", "two clocks tick at every board", "a beginner offers a draw", "coffee"),
    ("the observatory", "a dome opens to the north", "visitors queue for the eyepiece", "frost"),
)
_TASKS = (
    ("Summarise the text in one sentence.", "At {0}, {1} while {2}."),
    ("Give the text a short title.", "A day at {0}"),
    ("Which smell or sight does the text end with? One word.", "{3}"),
    ("Say who or what is busy in the text, as a list.", "- {1}\n- {2}"),
    ("Rewrite the text for a six-year-old.", "Look at {0}! There, {1}. And see: {2}."),
    ("Where does the text take place? Answer with the place only.", "{0}"),
)
_INSTRUCTION = "You answer questions about short texts, briefly and only from the text."


def sample_objects() -> Mapping[str, bytes]:
    """Return the objects of the sample bucket, by name."""
    lines = list(_lines())
    training = _joined(line for at, line in enumerate(lines) if at % 7 != 3)
    validation = _joined(line for at, line in enumerate(lines) if at % 7 == 3)
    result = {}
    for folder in _FOLDERS:
        result[f"{folder}sft_train_data.jsonl"] = training
        result[f"{folder}sft_validation_data.jsonl"] = validation
    return result


def _joined(lines: Iterator[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _lines() -> Iterator[str]:
    """Write every task for every place, and a second turn now and then: 72 lines."""
    for number, place in enumerate(_PLACES):
        for shift, (question, answer) in enumerate(_TASKS):
            turns = [
                ("user", f"{question}\n\n{_text(place, number + shift)}"),
                ("model", answer.format(*place)),
            ]
            if (number + shift) % 4 == 0:
                turns += [("user", "Is that all?"), ("model", "Yes, the text says no more.")]
            yield _line(turns, instructed=(number + shift) % 2 == 0)


def _text(place: tuple[str, ...], variant: int) -> str:
    openings = ("It is early at", "Late in the day at", "Nobody hurries at")
    where, first, second, last = place
    return (
        f"{openings[variant % 3]} {where}. Here {first}, and {second}."
        f" Whoever leaves remembers the {last} for a while."
    )


def _line(turns: list[tuple[str, str]], *, instructed: bool) -> str:
    line: dict[str, object] = {}
    if instructed:
        line["systemInstruction"] = {"role": "system", "parts": [{"text": _INSTRUCTION}]}
    line["contents"] = [{"role": role, "parts": [{"text": text}]} for role, text in turns]
    return json.dumps(line, ensure_ascii=False)
