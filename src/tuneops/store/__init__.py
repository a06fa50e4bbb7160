"""Disk: spec files, the lock, the journal, local claims, plan files, and what git says of them.

Everything that must survive is on disk before a function returns; nothing follows a link.
"""
