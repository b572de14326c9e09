"""Scratch folders of direct calls, several of which may run at a time, and of attempts without outputs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import until

from rushes import Asset, Context, Output, Params, Result, function
from rushes.runtime.outputs.scratch import clear_batch, open_temporary, temporary_roots
from rushes.temporary import YOUNG_S

_CALLS = """
import sys, time
from pathlib import Path
from rushes import Asset, Context, Output, Result, function

class Told(Result):
    n: int = 0

class Wrote(Result):
    file: Output

@function(version="1")
def hangs(clip: Asset, ctx: Context) -> Told:
    \"\"\"Never ends.\"\"\"
    (ctx.scratch / "half").write_text("half")
    time.sleep(600)
    return Told()

@function(version="1")
def hangs_writing(clip: Asset, ctx: Context) -> Wrote:
    \"\"\"Never ends.\"\"\"
    out = ctx.output("half")
    out.path.write_text("half")
    time.sleep(600)
    return Wrote(file=out)

hangs_writing(sys.argv[1], out=sys.argv[2]) if len(sys.argv) > 2 else hangs(sys.argv[1])
"""
_BEGUN = [threading.Event(), threading.Event()]
_ALL_BEGUN_S = 60.0


class Which(Params):
    n: int = 0


class Wrote(Result):
    file: Output


class Told(Result):
    n: int = 0


@function(version="1")
def meets(clip: Asset, params: Which, ctx: Context) -> Wrote:
    """Goes on once the other has begun, too."""
    out = ctx.output(f"{params.n}.txt")
    out.path.write_text("half")
    _BEGUN[params.n].set()
    assert _BEGUN[1 - params.n].wait(_ALL_BEGUN_S)
    out.path.write_text("whole")
    return Wrote(file=out)


@function(version="1")
def writes(clip: Asset, ctx: Context) -> Wrote:
    """Writes one file."""
    out = ctx.output("new.txt")
    out.path.write_text("new")
    return Wrote(file=out)


@function(version="1")
def tells(clip: Asset, ctx: Context) -> Told:
    """Has no outputs, but a scratch folder."""
    (ctx.scratch / "file").write_text("x")
    return Told()


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "clip.bin"
    path.write_bytes(b"a clip")
    return str(path)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def killed_call(root: Path, *argv: str) -> None:
    """Leaves what a direct call leaves that was killed a while ago, in a folder below `root`."""
    with subprocess.Popen([sys.executable, "-c", _CALLS, *argv]) as process:
        try:
            until(lambda: list(root.rglob("half")) or process.poll() is not None)
        finally:
            process.kill()
    for one in root.rglob("*"):
        os.utime(one, (time.time() - 2 * YOUNG_S,) * 2)


def test_two_direct_calls_at_a_time_into_one_folder_leave_each_other_alone(clip: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for event in _BEGUN:
        event.clear()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda n: meets(clip, n=n, out=out), range(2)))

    assert [(out / f"{n}.txt").read_text() for n in range(2)] == ["whole", "whole"]
    assert not (out / ".rushes-scratch").exists()


def test_what_a_killed_direct_call_left_beside_outputs_goes_with_the_next(clip: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed_call(out, clip, str(out))

    writes(clip, out=out)

    assert (out / "new.txt").read_text() == "new"
    assert not (out / ".rushes-scratch").exists()


def test_what_a_killed_direct_call_without_outputs_left_goes_with_the_next(
    clip: str, temporary: Path
) -> None:
    (temporary / "rushes-other.7.1-x").mkdir()
    killed_call(temporary, clip)

    tells(clip)

    assert [one.name for one in temporary.iterdir()] == ["rushes-other.7.1-x"]


def test_the_next_attempt_without_outputs_removes_the_scratch_of_those_before_it(tmp_path: Path) -> None:
    first = open_temporary(tmp_path, "b1.7", 1)
    others = [open_temporary(tmp_path, name, 1) for name in ("b1.71", "b1.7_hedge", "b12.7")]

    second = open_temporary(tmp_path, "b1.7", 2)

    assert not first.exists()
    assert sorted(tmp_path.iterdir()) == sorted([*others, second])


def test_the_scratch_of_lost_attempts_without_outputs_goes_with_their_batch(tmp_path: Path) -> None:
    for name in ("b1.7", "b1.12", "b1.13_my-size"):
        (open_temporary(tmp_path, name, 3) / "half").write_text("half")
    alive = open_temporary(tmp_path, "b12.7", 1)
    (tmp_path / "b1.txt").write_text("not ours")

    clear_batch(tmp_path, "b1")

    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "b1.txt", alive])


def test_slots_have_it_where_their_submitter_has_temporary_files() -> None:
    assert temporary_roots({"TMPDIR": "/fast"}) == [Path("/fast"), Path("/tmp")]
    assert temporary_roots({"TMPDIR": "/tmp"}) == temporary_roots({}) == [Path("/tmp")]
