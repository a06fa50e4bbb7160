"""What the user's YAML says: text in, one declaration and all findings out.

`text` and `parse` read files into nodes that know their place; `variables` fills in `${…}`;
`schema` says which fields there are; `project` lays defaults under every job; `rules` look across
documents; `resolve` writes the `Declaration`. `load` is the one door. Everything here is pure: no
file is opened, no clock and no environment is read, and nothing but findings comes out of any text.

It may import `core`, `catalog` and `diagnostics`, and nothing above them. YAML is built from parser
events, never loaded: anchors, tags and merge keys are refused, and a plain scalar is a number, a
yes/no value or nothing only where YAML 1.2's core schema says so.
"""
