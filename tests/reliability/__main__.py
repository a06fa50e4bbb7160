"""`make reliability-doc`: write `docs/reliability.md` from what is declared and counted."""

from tests.reliability.document import PATH, render

PATH.write_text(render(), encoding="utf-8")
