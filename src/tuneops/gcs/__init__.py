"""Cloud Storage over its JSON API: what an object holds, and putting one where there was none.

It decides when an object is the file that it should be. It imports `core`, `errors`, `http` and
the ports of `engine`; never `spec`, `store`, `vertex`, `cli` or the emulator.
"""
