"""What was taken away under an attempt is told in place of what that led to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rushes import Asset, Cancelled, MediaError, PlatformError, RushesError
from rushes.errors import CallerError
from rushes.runtime.attempts.undermined import undermined
from rushes.runtime.sources.source import fingerprint_of

FAILURES = [
    OSError(2, "No such file or directory", "/x/out.mov"),
    ValueError("nothing to read"),
    MediaError("a.mov is damaged.", code="damaged"),
    PlatformError("the result is shorter.", code="bad-output"),
]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "a.mov"
    path.write_bytes(b"as it was")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


def told(error: BaseException, clip: Path, fingerprint: str, gone: Path | None = None) -> RushesError | None:
    return undermined(error, gone=gone, source=Asset.of(clip), fingerprint=fingerprint)


@pytest.mark.parametrize("error", FAILURES, ids=lambda one: type(one).__name__)
def test_an_error_of_its_own_is_told_as_it_is(error: Exception, clip: Path) -> None:
    assert told(error, clip, fingerprint_of(Asset.of(clip))) is None


@pytest.mark.parametrize("error", FAILURES, ids=lambda one: type(one).__name__)
def test_a_source_that_was_overwritten_is_what_went_wrong(error: Exception, clip: Path) -> None:
    before = fingerprint_of(Asset.of(clip))
    clip.write_bytes(b"another")

    found = told(error, clip, before)

    assert found is not None
    assert (found.kind, found.code) == ("media", "source-changed")


@pytest.mark.parametrize(
    "error", [*FAILURES, CallerError("it did not write it.", code="missing-output")], ids=str
)
def test_a_folder_that_was_removed_is_what_went_wrong_whoever_would_be_blamed(
    error: Exception, clip: Path
) -> None:
    found = told(error, clip, "", gone=Path("/x/.rushes-scratch/b.1"))

    assert found is not None
    assert (found.kind, found.code) == ("platform", "io-error")
    assert "/x/.rushes-scratch/b.1 was removed" in found.message


def test_of_a_full_disk_it_is_said_which_one(clip: Path, tmp_path: Path) -> None:
    full = PlatformError("The disk is full.", code="disk-full")

    found = undermined(full, gone=None, source=Asset.of(clip), fingerprint="", scratch=tmp_path)

    assert found is not None
    assert found.message == f"no space left on the disk of {tmp_path}."


def test_a_cancel_and_the_callers_own_mistake_stay_what_they_are(clip: Path) -> None:
    assert told(Cancelled(), clip, "sampled:other", gone=clip) is None
    assert told(KeyboardInterrupt(), clip, "sampled:other", gone=clip) is None
    assert told(CallerError("no such option.", code="bad-option"), clip, "sampled:other") is None
    assert told(ValueError("x"), clip, "") is None
