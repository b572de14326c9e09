"""Pausing, ending and outliving: all that a tool started is reached, through its box too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

import psutil
import pytest
from waiting import until

from rushes.media.running import watched_run
from rushes.media.running.box import LEVELS, Box, find_box
from rushes.media.running.builds import Build
from rushes.media.running.family import cpu_seconds, descendants, freeze, thaw
from rushes.media.running.process import Progress, Supervision, run_ffmpeg, run_tool
from rushes.media.running.progress import LineProgress

ENDLESS = ["-re", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "null", "-"]
# Long enough to be in the middle of its work when it first reports. One thread: with two, x264 has been seen
# to make other bytes of the same pictures on a busy machine, paused or not.
ENCODE = [
    *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=10"),
    *("-c:v", "libx264", "-preset", "slower", "-threads", "1", "-f", "h264"),
]


@pytest.fixture(params=["the best box", "rlimits"])
def box(request: pytest.FixtureRequest) -> Box:
    """The best box of this host, and none."""
    return find_box({}) if request.param == "the best box" else Box("rlimits")


def tools_of(owner: int, others: AbstractSet[int]) -> set[int]:
    return {pid for pid in descendants(owner) - others if psutil.pid_exists(pid)}


def all_gone(pids: Iterable[int]) -> bool:
    """Whether processes end soon. One that has ended counts, though nobody has asked how yet."""
    return bool(until(lambda: not any(_lives(pid) for pid in pids)))


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def states(pids: set[int]) -> set[str]:
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids}


def test_a_paused_encode_stands_still_and_goes_on_to_the_same_bytes(
    bundled: Build, box: Box, tmp_path: Path
) -> None:
    others = descendants(os.getpid())
    seen: list[tuple[set[str], float, set[str]]] = []
    whole: list[bytes] = []

    def pause_once(progress: Progress) -> None:
        if progress.ended or seen:
            return
        tools = tools_of(os.getpid(), others)
        top = min(tools, key=lambda pid: psutil.Process(pid).create_time())
        freeze(top)
        before = {pid: cpu_seconds(pid) for pid in tools}
        stopped = states(tools)
        whole.append(encode("whole.h264", None))  # all that while, it would have had as much of a processor
        used = sum(cpu_seconds(pid) - before[pid] for pid in tools)
        seen.append((stopped, used, {psutil.Process(pid).name()[:6] for pid in tools}))
        thaw(top)

    def encode(name: str, report: object) -> bytes:
        target = tmp_path / name
        supervision = Supervision(on_progress=report, box=box, cwd=tmp_path)  # type: ignore[arg-type]
        assert run_ffmpeg(bundled, [*ENCODE, f"file:{target}"], supervision=supervision).ok
        return target.read_bytes()

    paused = encode("paused.h264", pause_once)

    ((stopped, used, names),) = seen
    assert stopped == {"T"}
    assert used == 0
    assert "ffmpeg" in names
    assert [paused] == whole


def test_a_paused_tool_is_killed_with_all_that_it_started(
    bundled: Build, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_run, "_GRACE_S", 0.1)
    others = descendants(os.getpid())
    tools: set[int] = set()

    def freeze_them(_: Progress) -> None:
        tools.update(tools_of(os.getpid(), others))
        for pid in tools:
            os.kill(pid, signal.SIGSTOP)

    supervision = Supervision(on_progress=freeze_them, cancelled=lambda: bool(tools), box=box)
    run = run_ffmpeg(bundled, ENDLESS, supervision=supervision)

    assert run.stopped == "cancelled"
    assert tools
    assert all_gone(tools)


def test_the_wish_to_end_reaches_the_tool_itself(box: Box) -> None:
    code = "trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.05; done"
    heard: list[Progress] = []
    run = run_tool(
        ["sh", "-c", code],
        supervision=Supervision(on_progress=heard.append, cancelled=lambda: bool(heard), box=box),
        progress_parser=LineProgress(lambda _: 0.5),
    )

    assert run.stopped == "cancelled"
    assert run.exit_status == 3
    assert "asked" in run.stdout_tail


def test_what_does_not_want_to_end_is_killed_wherever_it_hides(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_run, "_GRACE_S", 0.1)
    others = descendants(os.getpid())
    tools: set[int] = set()
    code = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for new in (False, True):
    subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 1000 & wait"], start_new_session=new)
print("up", flush=True)
signal.pause()
"""
    run = run_tool(
        [sys.executable, "-c", code],
        supervision=Supervision(
            on_progress=lambda _: tools.update(tools_of(os.getpid(), others)),
            cancelled=lambda: bool(tools),
            box=box,
        ),
        progress_parser=LineProgress(lambda _: 0.5),
    )

    assert run.stopped == "cancelled"
    assert len(tools) >= 3
    assert all_gone(tools)


@pytest.mark.parametrize(
    "times", [20, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])]
)
def test_no_ffmpeg_outlives_its_parent_however_often_that_is_killed(bundled: Build, times: int) -> None:
    code = f"""
import os
from pathlib import Path
from rushes.media.running.builds import Build
from rushes.media.running.process import Supervision, run_ffmpeg
for _ in range({times}):
    if os.fork() == 0:
        run_ffmpeg(Build(Path({str(bundled.path)!r}), "", 9, ""), {ENDLESS!r},
                   supervision=Supervision(on_progress=lambda p: print(os.getpid(), flush=True)))
    os.wait()
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    outlived: set[int] = set()
    boxed = 0
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environ) as script:
        assert script.stdout is not None
        killed: set[int] = set()
        for line in script.stdout:
            owner = int(line)
            if owner in killed:  # it reported twice before it was killed
                continue
            tools = descendants(owner)
            os.kill(owner, signal.SIGKILL)
            killed.add(owner)
            boxed += len(tools) >= 3
            if not all_gone(tools):
                outlived |= tools

    assert len(killed) == times
    assert outlived == set()
    assert boxed == (times if find_box({}).level in LEVELS[:2] else 0)
