"""Training data: which bytes they are, and whether they have the form that their method needs.

It reads blocks of bytes handed to it, line by line, in memory that does not grow with the file. The
limits of models are the catalogue's data, made into values in `limits`. It imports `core`,
`catalog`, `errors` and `diagnostics` only; `files` alone opens anything.

Facts are those of Google's pages on preparing supervised and preference data. What they leave
open is a warning here, never an error.

2026-11-21: lines are decoded twice over. `plain` takes what is ordinary by typed decoding (msgspec,
a fifth of the time of the standard decoder with the same checks); whatever it does not take is read
by the standard decoder, which can be told to refuse equal keys. polars, pyarrow and pydantic were
slower than typed decoding and use more memory; simdjson sees no equal keys either.
"""
