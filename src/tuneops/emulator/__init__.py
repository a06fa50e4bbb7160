"""A local stand-in for Vertex AI tuning and Cloud Storage, over HTTP, out of one SQLite file.

The rule of this folder: it is a stranger. Nothing here imports the rest of the project or any
Google client; only the standard library, werkzeug and google_crc32c. A mistake shared by client
and emulator would otherwise be invisible, so the emulator keeps its own table of models and its
own reading of Google's documents.

Two more rules. Time is a value handed in: no module asks the machine for it. And reading changes
nothing: the database holds what callers did, and all else is derived from that and an instant.
Faults that tests ask for are counted there too, beside the world; what was asked is written down
in a second file, which nothing is derived from.

Where Google's documents are silent the behaviour is a choice of this emulator, and the docstring
at that place says so.
"""
