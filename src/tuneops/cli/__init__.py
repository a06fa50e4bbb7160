"""People: commands, flags, exit codes, what is printed where.

The answer goes to stdout, the conversation to stderr. The composition root is here: only this
package knows both the engine and what it runs on, and it imports them inside the command that
needs them, so that `--help` pays for neither.
"""
