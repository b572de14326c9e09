"""The stub passes what the real ones pass, so tests that use it mean something."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import PlatformError
from rushes.ports import Store
from rushes.testing.clock import FakeClock
from rushes.testing.store import StubStore
from rushes.testing.store_contract import StoreContract


class TestStubStore(StoreContract):
    root = "stub://bucket/"

    @pytest.fixture
    def store(self) -> Store:
        return StubStore(FakeClock())

    def put(self, store: Store, uri: str, data: bytes) -> None:
        assert isinstance(store, StubStore)
        store.put(uri, data)


def test_a_verb_can_be_made_to_fail_once(tmp_path: Path) -> None:
    store = StubStore(FakeClock())
    store.put("stub://b/x", b"x")
    store.fail_next("fetch", PlatformError("it is busy.", code="service-busy"))
    with pytest.raises(PlatformError, match="busy"):
        store.fetch("stub://b/x", tmp_path / "x")
    store.fetch("stub://b/x", tmp_path / "x")
    assert [verb for verb, _ in store.calls] == ["fetch", "fetch"]
