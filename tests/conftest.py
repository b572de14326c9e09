"""What every test stands on: clips on demand, a state folder of its own, a list of what was left out.

This file must not import `rushes`: a broken package should fail tests, not their collection.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

import make_media

_LEFT_OUT = "left out: "
_STATE = "rushes-test-"
_YOUNG_S = 600.0
_CI = os.environ.get("CI", "").lower() in {"true", "1"}

# What Python buffers and caches differs with these: tests are to see what most people have.
for _variable in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
    os.environ.pop(_variable, None)

# How long an example takes says what else the machine does: no property is judged by it.
# What Hypothesis has set for a CI goes on to hold. A test that names checks of its own names this one, too.
settings.register_profile("rushes", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rushes")

# What is left out, and said to be -----------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the full counts too (marker `soak`)")


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    if config.getoption("--soak"):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason=f"{_LEFT_OUT}soak (make soak runs it)"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test whose tool is absent; on CI nothing may be absent."""
    for marker in item.iter_markers("needs"):
        for tool in marker.args:
            if shutil.which(tool) is not None:
                continue
            if _CI:
                pytest.fail(f"CI must have {tool}: .ci/run installs it", pytrace=False)
            pytest.skip(f"{_LEFT_OUT}needs {tool}, which is not installed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a reason, so that a green run says what it did not look at."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if _LEFT_OUT in reason:
            reasons[reason.split(_LEFT_OUT, 1)[1]] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{_LEFT_OUT}{count} test{'s' * (count != 1)}: {reason}")


# A state folder a test ----------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _never_the_users_own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fixtures wider than a test must not reach the journal of whoever runs the suite."""
    _remove_what_killed_runs_left()
    with pytest.MonkeyPatch.context() as patch:
        _forget_settings(patch)
        with _state_folder(patch):
            yield


@pytest.fixture(autouse=True)
def rushes_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder; workers that were started on it end with the test."""
    _forget_settings(monkeypatch)
    with _state_folder(monkeypatch) as home:
        yield home


@contextmanager
def _state_folder(patch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short name, for a Unix socket's path holds 107 bytes; what is said of it in `patch`."""
    path = Path(tempfile.mkdtemp(prefix=_STATE, dir="/tmp"))
    held = os.open(path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    home, sockets = path / "home", path / "run"
    for folder in (home, sockets):
        folder.mkdir()
    patch.setenv("RUSHES_HOME", str(home))
    patch.setenv("RUSHES_DEVICES", str(home / "devices"))
    patch.setenv("XDG_RUNTIME_DIR", str(sockets))  # a killed worker leaves its socket there
    try:
        yield home
    finally:
        if any(home.iterdir()):
            _end_processes_of(home)
        _remove(path)
        os.close(held)


def _remove(path: Path) -> None:
    """Remove a folder, also one in which what was killed just now has made something meanwhile."""
    for _ in range(3):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return


def _remove_what_killed_runs_left() -> None:
    """A state folder is locked by whoever made it; the kernel lets go the lock of one that is gone."""
    for folder in Path("/tmp").glob(f"{_STATE}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < _YOUNG_S:
                continue
            held = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _end_processes_of(folder / "home")
                _remove(folder)
            finally:
                os.close(held)


def _forget_settings(patch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RUSHES_")]:
        patch.delenv(name)


def _end_processes_of(home: Path) -> None:
    """Kills what a test started and left running: whatever carries its state folder in the environment."""
    me = os.getpid()
    for process in psutil.process_iter():
        try:
            if process.pid != me and process.environ().get("RUSHES_HOME") == str(home):
                process.send_signal(signal.SIGKILL)
        except psutil.Error:
            continue


# Clips --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> make_media.Workshop:
    """Clips by name, made on demand and shared by all tests and test processes: read them, never write."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    return make_media.workshop(base / "media")


@pytest.fixture(scope="session")
def real_clips() -> tuple[Path, ...]:
    """Four short real clips; the test is left out where they cannot be fetched, and fails on CI."""
    found = make_media.real_clips(Path(__file__).parent.parent / ".media" / "real")
    if found.problem:
        if _CI:
            pytest.fail(f"CI must have the real clips: {found.problem}", pytrace=False)
        pytest.skip(f"{_LEFT_OUT}needs the real clips ({found.problem})")
    return found.paths
