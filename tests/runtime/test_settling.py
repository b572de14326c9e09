"""A source that grows, or changes while it is worked on."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.asset import Asset
from rushes.errors import MediaError, PlatformError
from rushes.runtime.outputs import publication


def test_a_source_that_changed_meanwhile_is_the_medias_fault(tmp_path: Path) -> None:
    source = tmp_path / "A.mov"
    source.write_bytes(b"x" * 100_000)
    known = publication.fingerprint_of(Asset.of(source))

    publication.recheck_source(Asset.of(source), known)
    with source.open("r+b") as file:
        file.seek(50_000)  # in the middle, which is not sampled: the time of change tells
        file.write(b"y")
    with pytest.raises(MediaError) as changed:
        publication.recheck_source(Asset.of(source), known)
    source.unlink()
    with pytest.raises(MediaError) as gone:
        publication.recheck_source(Asset.of(source), known)

    assert changed.value.code == gone.value.code == "source-changed"


def test_a_growing_source_is_waited_for_and_a_settled_one_is_not(tmp_path: Path) -> None:
    source = tmp_path / "A.mov"
    source.write_bytes(b"x")
    clock = [source.stat().st_ctime + 1.0]
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        clock[0] += seconds
        if len(naps) <= 3:
            source.write_bytes(b"x" * (len(naps) + 1))

    publication.wait_settled(Asset.of(source), 10.0, now=lambda: clock[0], sleep=sleep)
    grew = sum(naps)
    clock[0] += 100.0
    publication.wait_settled(Asset.of(source), 10.0, now=lambda: clock[0], sleep=sleep)

    assert grew >= 13.0
    assert sum(naps) == grew


def test_a_source_that_never_settles_is_tried_again_later(tmp_path: Path) -> None:
    source = tmp_path / "A.mov"
    source.write_bytes(b"x")
    clock = [source.stat().st_ctime]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        source.write_bytes(b"x" * (source.stat().st_size % 100 + 1))

    with pytest.raises(PlatformError) as failed:
        publication.wait_settled(Asset.of(source), 5.0, now=lambda: clock[0], sleep=sleep)

    assert failed.value.code == "still-growing"
