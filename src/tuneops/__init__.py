"""Declare Gemini tuning jobs in YAML; plan, apply and reconcile them from git."""

__version__ = "0.1.0"
