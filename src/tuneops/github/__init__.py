"""GitHub's REST API, as far as a run needs it: one pull request for the lock's branch.

It decides what GitHub said, and never what is to be said there: `render` writes that. It imports
`http` and `errors`, and is imported by `cli` alone. The push itself is git's, not GitHub's: without
this room the lock travels all the same. Rejected: `gh` in the workflow, which no test could run and
no laptop could use.
"""
