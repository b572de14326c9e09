from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from started import Started, open_files

from rushes.errors import CallerError, Cancelled
from rushes.media.readers.guard import input_args
from rushes.media.running import watched_run
from rushes.media.running.box import Box
from rushes.media.running.builds import Build
from rushes.media.running.process import Limits, Progress, Supervision, ToolRun, check, run_ffmpeg, run_tool
from rushes.media.running.progress import LineProgress
from rushes.media.running.tail import HEAD_BYTES, LOG_BYTES, TAIL_BYTES
from rushes.media.running.watchdog import TICK_S, Seen, Watchdog

ENDLESS = ["-re", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "null", "-"]
LARGE = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=600", "-c:v", "libx264", "-preset", "ultrafast"]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def gone(pid: int) -> bool:
    """Whether a process ends soon; init may need a moment to reap it."""
    try:
        found = psutil.Process(pid)
        if found.status() == psutil.STATUS_ZOMBIE:
            return True
        return not psutil.wait_procs([found], timeout=60)[1]
    except psutil.NoSuchProcess:
        return True


class After:
    """A `cancelled` that becomes true once `count` lines or reports have come."""

    def __init__(self, count: int = 1) -> None:
        self.left = count

    def __call__(self) -> bool:
        return self.left <= 0

    def report(self, _: Progress) -> None:
        self.left -= 1

    def supervision(self, **more: Any) -> Supervision:
        return Supervision(cancelled=self, on_progress=self.report, **more)


ANY_LINE = LineProgress(lambda _: 0.5)


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_run, "_GRACE_S", 0.2)


def test_a_tool_that_ends_well_is_told_with_its_time_and_words(tmp_path: Path) -> None:
    run = run_tool(python("import sys; print('out'); print('err', file=sys.stderr)"))
    assert (run.exit_status, run.stopped, run.ok) == (0, None, True)
    assert (run.stdout_tail, run.stderr_tail) == ("out\n", "err\n")
    assert 0 < run.cpu_s < 60
    assert check(run) is run


def test_a_tool_that_fails_is_only_raised_by_check() -> None:
    run = run_tool(python("raise SystemExit(7)"))
    assert run.exit_status == 7
    with pytest.raises(Exception, match="exit status 7"):
        check(run)


@pytest.mark.parametrize("name", ["no-such-tool-at-all", "/etc/passwd", "/"])
def test_a_tool_that_cannot_be_started_is_the_callers_mistake(name: str) -> None:
    with pytest.raises(CallerError, match="cannot be started") as caught:
        run_tool([name])
    assert caught.value.code == "bad-tool"


def test_a_tool_reads_nothing_from_our_terminal() -> None:
    assert run_tool(python("import sys; print(len(sys.stdin.read()))")).stdout_tail == "0\n"


def test_a_tool_may_read_an_open_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("abc")
    with (tmp_path / "in").open("rb") as file:
        assert run_tool(python("import sys; print(sys.stdin.read())"), stdin=file).stdout_tail == "abc\n"


def test_a_tool_gets_no_credentials_and_no_report_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MY_PASSWORD", "FFREPORT", "HARMLESS"):
        monkeypatch.setenv(name, "value")
    run = run_tool(python("import os; print(sorted(k for k, v in os.environ.items() if v == 'value'))"))
    assert run.stdout_tail == "['HARMLESS']\n"


def test_a_tool_runs_in_the_folder_that_it_is_given(tmp_path: Path) -> None:
    run = run_tool(python("import os; print(os.getcwd())"), supervision=Supervision(cwd=tmp_path))
    assert run.stdout_tail.strip() == str(tmp_path)


def test_a_tool_that_writes_without_end_fills_neither_memory_nor_disk(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('first\\n' + ('y' * 99 + '\\n') * 100_000 + 'last\\n')"
    log = tmp_path / "logs" / "tool.log"
    run = run_tool(python(code), supervision=Supervision(log_path=log))
    assert run.stderr_tail.startswith("first\n")
    assert run.stderr_tail.endswith("last\n")
    assert "bytes left out" in run.stderr_tail
    assert len(run.stderr_tail) < HEAD_BYTES + TAIL_BYTES + 100
    assert LOG_BYTES <= log.stat().st_size < LOG_BYTES + 2 * TAIL_BYTES


def test_secrets_and_escape_sequences_do_not_reach_the_log(tmp_path: Path) -> None:
    url = "https://user:pw@bucket.example/clip.mov?X-Amz-Signature=SECRETSIG&X-Amz-Credential=AKIA"
    code = f"import sys; sys.stderr.write('[https] {url}: failed\\n\\x1b[31mred\\x1b[0m\\x00\\n')"
    log = tmp_path / "tool.log"
    run = run_tool(python(code), supervision=Supervision(log_path=log))
    for text in (run.stderr_tail, log.read_text()):
        assert "SECRETSIG" not in text
        assert "AKIA" not in text
        assert "pw" not in text
        assert "bucket.example/clip.mov" in text
        assert "\x1b" not in text
        assert "red\n" in text


def test_progress_of_any_tool_is_its_authors_to_read() -> None:
    seen: list[float | None] = []
    run_tool(
        python("import sys; print('10', file=sys.stderr); print('60')"),
        supervision=Supervision(on_progress=lambda p: seen.append(p.share)),
        progress_parser=LineProgress(lambda line: float(line) / 100 if line else None),
    )
    assert sorted(filter(None, seen)) == [0.1, 0.6]


def test_cancelling_ends_ffmpeg(build: Build) -> None:
    run = run_ffmpeg(build, ENDLESS, supervision=After().supervision())
    assert run.stopped == "cancelled"
    with pytest.raises(Cancelled):
        check(run, build.major)


def test_a_tool_that_ignores_the_wish_to_end_is_killed(short_grace: None) -> None:
    code = "import signal; signal.signal(15, signal.SIG_IGN); print('x', flush=True)\nwhile 1: signal.pause()"
    run = run_tool(python(code), supervision=After().supervision(), progress_parser=ANY_LINE)
    assert (run.stopped, run.exit_status) == ("cancelled", -signal.SIGKILL)


def test_a_stopped_tool_is_killed(short_grace: None) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    run = run_tool(python(code), supervision=Supervision(Limits(stall_s=0.5)))
    assert (run.stopped, run.exit_status) == ("stalled", -signal.SIGKILL)


def test_everything_that_a_tool_started_ends_with_it(short_grace: None) -> None:
    # A child in the tool's group, one that left its session, and a grandchild behind a shell.
    code = """
import subprocess, sys
sleep = ["sleep", "1000"]
pids = [subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid]
command = ["sh", "-c", "sleep 1000 & echo $!; wait"]
shell = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
pids += [shell.pid, int(shell.stdout.readline())]
print(*pids, flush=True)
shell.wait()
"""
    # Its own numbers of processes mean something outside only without a namespace of their own.
    supervision = After().supervision(box=Box("rlimits"))
    run = run_tool(python(code), supervision=supervision, progress_parser=ANY_LINE)
    pids = [int(word) for word in run.stdout_tail.split()]
    assert len(pids) == 4
    assert all(gone(pid) for pid in pids)


def test_what_a_tool_leaves_behind_ends_with_it_and_holds_nobody_up() -> None:
    run = run_tool(["sh", "-c", "sleep 1000 & echo $!"], supervision=Supervision(box=Box("rlimits")))
    assert run.exit_status == 0
    assert gone(int(run.stdout_tail))


@pytest.mark.parametrize("raised", [KeyboardInterrupt, Cancelled])
def test_an_exception_passes_only_after_the_tool_is_dead(bundled: Build, raised: type[BaseException]) -> None:
    started = Started()
    children: list[psutil.Process] = []

    def report(_: Progress) -> None:
        children.extend(started.now())
        raise raised

    with pytest.raises(raised):
        run_ffmpeg(bundled, ENDLESS, supervision=Supervision(on_progress=report))
    assert children
    assert not any(child.is_running() for child in children)


def test_a_signals_handler_may_stop_the_tool(bundled: Build) -> None:
    def handler(*_: object) -> None:
        raise Cancelled

    started = Started()
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(Cancelled):
            run_ffmpeg(
                bundled,
                ENDLESS,
                supervision=Supervision(on_progress=lambda _: os.kill(os.getpid(), signal.SIGUSR1)),
            )
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not started.now()


def test_no_tool_outlives_a_process_that_is_killed(build: Build) -> None:
    code = f"""
import os
from pathlib import Path
from rushes.media.running.builds import read_build
from rushes.media.running.process import Supervision, run_ffmpeg
run_ffmpeg(read_build(Path({str(build.path)!r})), {ENDLESS!r},
           supervision=Supervision(on_progress=lambda p: print("ready", flush=True)))
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True, env=environ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        tools = psutil.Process(owner.pid).children(recursive=True)
        assert [tool for tool in tools if "ffmpeg" in tool.name()]
        owner.kill()
    assert all(gone(tool.pid) for tool in tools)


def test_a_pipe_that_nobody_writes_to_stalls_and_is_ended(
    build: Build, tmp_path: Path, short_grace: None
) -> None:
    os.mkfifo(tmp_path / "in.mp4")
    args = [*input_args(tmp_path / "in.mp4"), "-f", "null", "-"]
    assert run_ffmpeg(build, args, supervision=Supervision(Limits(stall_s=0.5))).stopped == "stalled"


@pytest.mark.parametrize(
    ("limits", "stopped"),
    [
        (Limits(time_s=0.6), "timeout"),
        (Limits(cpu_s=1.0), "timeout"),
        (Limits(memory_bytes=40_000_000), "memory"),
        (Limits(output_bytes=100_000), "output"),
    ],
)
def test_a_limit_that_is_passed_is_the_reason_that_is_told(
    build: Build, tmp_path: Path, limits: Limits, stopped: str
) -> None:
    run = run_ffmpeg(build, [*LARGE, str(tmp_path / "o.mkv")], supervision=Supervision(limits))
    assert run.stopped == stopped
    assert not run.ok


def test_one_huge_allocation_meets_the_limit_before_it_is_seen() -> None:
    run = run_tool(python("bytearray(4 << 30)"), supervision=Supervision(Limits(memory_bytes=200_000_000)))
    assert run.exit_status == 1
    assert "MemoryError" in run.stderr_tail


@pytest.mark.parametrize("target", ["-", "pipe:1", "pipe:"])
def test_an_output_to_the_progress_pipe_is_refused(bundled: Build, target: str) -> None:
    with pytest.raises(CallerError, match="is a pipe"):
        run_ffmpeg(bundled, ["-f", "lavfi", "-i", "testsrc2", "-f", "nut", target])


def test_the_fixed_options_come_first_and_never_change(bundled: Build) -> None:
    run = run_ffmpeg(bundled, ["-version"])
    assert run.argv[1:] == (
        *("-hide_banner", "-nostdin", "-v", "warning"),
        *("-progress", "pipe:1", "-nostats", "-stats_period", "0.25", "-version"),
    )


def test_nothing_is_left_open_by_a_run() -> None:
    run_tool(["true"])
    before = open_files()
    for _ in range(5):
        run_tool(["true"])
    assert open_files() <= before


def test_success_that_ffmpeg_takes_back_in_its_text_is_none(tmp_path: Path, bundled: Build) -> None:
    (tmp_path / "o.mp4").touch()
    run = run_ffmpeg(bundled, ["-f", "lavfi", "-i", "testsrc2=d=1", str(tmp_path / "o.mp4")])
    with pytest.raises(CallerError) as caught:
        check(run, bundled.major)
    assert caught.value.code == "output-exists"


# The watchdog, on a fake clock --------------------------------------------------------------------


def looks(seen: Iterator[Seen] | list[Seen], limits: Limits, tick_s: float = TICK_S) -> list[str | None]:
    watchdog = Watchdog(limits, 0.0)
    return [watchdog.look(one, (n + 1) * tick_s) for n, one in enumerate(seen)]


def frames(*counts: int) -> list[Seen]:
    return [Seen(progress=Progress(frames=count)) for count in counts]


def test_no_news_for_long_enough_is_a_stall() -> None:
    assert looks(frames(*[5] * 45), Limits(stall_s=10.0, time_s=None))[38:42] == [None] * 2 + [
        None,
        "stalled",
    ]


def test_news_puts_a_stall_off() -> None:
    assert not any(looks(frames(*range(200)), Limits(stall_s=1.0)))


def test_a_slow_encode_sets_its_own_patience() -> None:
    # A frame every 8 seconds, and a limit of 2 without news: 20 of its own paces are allowed.
    counts = [n // 32 for n in range(320)]
    assert not any(looks(frames(*[1] * 4, *counts[32:]), Limits(stall_s=9.0)))


def test_reading_a_file_is_a_sign_of_life_and_a_heartbeat_is_none() -> None:
    reading = [Seen(read_bytes=n * 100_000) for n in range(100)]
    beating = [Seen(read_bytes=n * 8) for n in range(100)]
    assert not any(looks(reading, Limits(stall_s=2.0)))
    assert looks(beating, Limits(stall_s=2.0))[-1] == "stalled"


def test_time_that_we_were_paused_ourselves_is_nobodys() -> None:
    watchdog = Watchdog(Limits(stall_s=5.0, time_s=20.0), 0.0)
    assert watchdog.look(Seen(), 1.0) is None
    assert watchdog.look(Seen(), 3601.0) is None


def test_cancelling_comes_before_any_limit() -> None:
    seen = [Seen(memory_bytes=10, cancelled=True)]
    assert looks(seen, Limits(memory_bytes=1)) == ["cancelled"]


def test_a_run_that_was_stopped_is_never_ok() -> None:
    assert not ToolRun(("x",), 0, 1.0, 1.0, "", None, "stalled").ok
