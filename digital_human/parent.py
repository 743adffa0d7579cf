"""On whose behalf something is done: the id of the request that is being answered."""

from __future__ import annotations

from contextvars import ContextVar

PARENT: ContextVar[str] = ContextVar("parent", default="")
"""Handed on to whoever is called, and written down with each call."""
