"""The embedded engine keeps every promise of an engine."""

from __future__ import annotations

from rushes.testing.engine_contract import EngineContract


class TestLocalEngine(EngineContract):
    """With a worker of each test's own; the fixture `engine` is the folder's."""
