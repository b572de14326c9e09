"""What was loaded of batches on a host, whose threads all load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rushes.runtime.shared.claims import known_batches
from rushes.runtime.shared.claims.known_batches import KnownBatches


class Cleared(dict[str, Any]):
    """Another thread makes room the moment that something is put here."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.clear()


def test_what_is_asked_is_given_though_another_thread_makes_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded: Any = object()
    monkeypatch.setattr(known_batches, "learn", lambda _spec, _home: loaded)
    known = KnownBatches(tmp_path)
    known._known = Cleared()
    assert known.of("k7m2qx", {"function": "inspect"}) is loaded
