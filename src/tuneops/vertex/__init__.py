"""Vertex AI over REST v1: our values to its wire and back, and whether an answer may be believed.

It decides what an HTTP answer means (`provider`), what a resource is called (`names`), where the
service lives (`endpoints`) and who sees the token (`auth`). It imports `core`, `errors`, `http`
and the ports of `engine`; never `spec`, `store`, `gcs`, `cli` or the emulator.

Facts are those of the v1 discovery document and of Google's SDK, at the places that rest on them.
"""
