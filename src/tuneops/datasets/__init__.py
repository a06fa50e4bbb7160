"""Training data: which bytes they are, and whether they have the form that their method needs.

It decides nothing about models, prices or limits of examples (that is the catalogue's data); it
reads byte streams handed to it, line by line, in memory that does not grow with the file. It
imports `core` and `diagnostics` only.

Facts are those of Google's pages on preparing supervised and preference data. What they leave
open is a warning here, never an error.
"""
