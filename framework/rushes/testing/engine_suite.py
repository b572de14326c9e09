"""What the tests of engines stand on: clips, functions over them, and how a batch is sent and waited for.

This module must not know what is tested.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rushes import catalog
from rushes.asset import Asset
from rushes.function import Function, Options
from rushes.invocation import BatchStatus, Finished
from rushes.keepers import ObjectKeeper
from rushes.ports import Engine
from rushes.runtime.sending.submission import batch_spec, invocations
from rushes.runtime.sources.inputs import Found
from rushes.testing.engine_bodies import BODIES

__all__ = ["PATIENCE_S", "EngineSuite"]

PATIENCE_S = 60.0


class EngineSuite:
    """The base of tests that take an ``engine`` fixture."""

    lacks: ClassVar[frozenset[str]] = frozenset()
    """Of ``running-cancel`` (a body is stopped while it runs), ``after`` (dependencies), ``parts`` (a body
    maps another), ``pool`` (one machine runs it all, which can be asked and paused), ``odd-names`` (names
    that are no UTF-8)."""

    def needs(self, what: str) -> None:
        """Leave a test out by name where the engine cannot do what it is about."""
        if what in self.lacks:
            pytest.skip(f"not supported: {what}")

    def place(self, clips: Path, name: str) -> str:
        """What a clip, or a folder of outputs, is called by who sends work: here its path."""
        return str(clips / name)

    def below(self, clips: Path, name: str) -> dict[str, bytes]:
        """The files in a folder of outputs, by name."""
        return {path.name: path.read_bytes() for path in (clips / name).iterdir()}

    def function(self, clips: Path, name: str) -> Function[Any, Any]:
        """A function of the suite's."""
        return catalog.find(f"{clips / 'bodies.py'}:{name}")

    @pytest.fixture
    def clips(self, tmp_path: Path) -> Path:
        """A folder with the bodies, two good clips and a bad one."""
        (tmp_path / "bodies.py").write_text(BODIES)
        for name, size in (("a.mov", 10), ("b.mov", 20), ("bad.mov", 30)):
            (tmp_path / name).write_bytes(bytes(size))
        return tmp_path

    def _send(
        self,
        engine: Engine,
        clips: Path,
        name: str,
        files: Sequence[str],
        *,
        options: Options | None = None,
        seal: bool = True,
    ) -> str:
        function = self.function(clips, name)
        options = options or Options()
        params = function.params(None)
        objects = engine if isinstance(engine, ObjectKeeper) else None
        spec_of = objects.spec_of if objects else batch_spec
        batch = engine.open(spec_of(function, options, params, title=name))
        found = (Found(Asset(self.place(clips, file))) for file in files)
        sent = objects.invocations if objects else invocations
        engine.submit(batch, sent(function, options, params, found))
        if seal:
            engine.seal(batch)
        return batch

    def _ended(self, engine: Engine, batch: str, count: int) -> list[Finished]:
        """All ends of a batch, waited for."""
        found: list[Finished] = []
        until = time.monotonic() + PATIENCE_S
        while len(found) < count and time.monotonic() < until:
            found += engine.results(batch, after=found[-1].seq if found else 0, wait_s=1.0)
        assert len(found) == count
        return found

    def _settled(self, engine: Engine, batch: str) -> BatchStatus:
        """The status of a batch once it has ended."""
        until = time.monotonic() + PATIENCE_S
        while (status := engine.status(batch)).ended is None and time.monotonic() < until:
            time.sleep(0.01)
        assert status.ended is not None
        return status

    @pytest.fixture
    def held(self, engine: Engine) -> Iterator[None]:
        """Nothing starts while a test looks."""
        engine.control("pause")
        yield
        engine.control("resume")
