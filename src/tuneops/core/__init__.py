"""The thinking: values in, values out.

Rules of this folder: no I/O, no clock, no randomness, no logging, no environment; every value is a
frozen dataclass; modules import downwards only, in the order that `pyproject.toml` lists.
"""
