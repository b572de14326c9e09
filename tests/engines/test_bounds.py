"""What a machine does not have, a pool neither tries again and again nor keeps to itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from waiting import until

from rushes import PlatformError, catalog
from rushes.cli.app import app
from rushes.engines.local import LocalEngine

BOUNDS = Path(__file__).with_name("bounds.py")
TIER = """
tiers:
  here: {cpu: 1, memory: 1GiB, purchase: owned, region: here, limits: {run: 4s}}
"""


@pytest.fixture
def bounds(engine: LocalEngine) -> Callable[[str], Any]:
    return lambda name: catalog.find(f"{BOUNDS}:{name}")


def test_work_that_finds_a_disk_full_waits_for_room_and_says_so(
    bounds: Callable[[str], Any], engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    batch = bounds("fills").map([clip], marks=str(tmp_path))

    until(lambda: batch.progress.counts.held)

    (waits,) = engine.status(batch.id).waits
    assert waits["count"] == 1
    assert waits["why"] == "it waits for room on a disk (disk-full); this costs no attempt"
    assert "room on a disk" in CliRunner().invoke(app, ["status", batch.id]).stdout
    (said,) = engine.explain(f"{batch.id}.1")["history"]
    assert "no space left" in said["error"]["message"].lower()
    assert (tmp_path / "begun").read_text() == "."
    batch.cancel()


def test_work_that_gets_on_is_stopped_at_its_tiers_limit_and_not_tried_where_it_cannot_fit(
    rushes_home: Path, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "capacity.yaml").write_text(TIER)
    monkeypatch.setenv("RUSHES_CAPACITY", str(tmp_path / "capacity.yaml"))
    climbs = catalog.find(f"{BOUNDS}:climbs")
    engine = LocalEngine()
    try:
        with pytest.raises(PlatformError, match=r"the limit of this machine's tier, 4\.0 s") as stopped:
            climbs.remote(clip, marks=str(tmp_path))
        ended = json.dumps(engine.explain(f"{engine.batches(limit=1)[0].batch}.1"))
    finally:
        engine.control("stop")
        engine.close()

    assert stopped.value.code == "time-limit"
    assert "limits.run" in stopped.value.fix
    assert "too big for the time that its tier has (time-limit), and no tier has more" in ended
    assert (tmp_path / "begun").read_text() == "."
