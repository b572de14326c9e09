"""A stand-in ffmpeg: devices that encode, with sessions, faults, slowness and hangs, where there are none.

    def test_…(standin: MakeStandIn) -> None:
        fake = standin([FakeDevice("nvenc", sessions=2), FakeDevice("nvenc", 1, fault="lost", after=10)])
        run_ffmpeg(fake.build, [..., "-c:v", "h264_nvenc", "-gpu", "1", ...])

What a command asks of a device is done in software by a real ffmpeg, so that files, frames and progress are
real. A conftest takes the fixture over with ``from standin.fakes import standin``.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from rushes.media.running.builds import VARIABLE, Build, bundled_ffmpeg, read_build

__all__ = ["FakeDevice", "MakeStandIn", "StandIn", "standin"]


@dataclass(frozen=True)
class FakeDevice:
    """How one device behaves.

    Args:
        family, index: which one.
        sessions: encodes at once; one more is refused, in the words of its driver.
        codecs, depths, max_width: what it can do; the rest is refused.
        open_error: it refuses every session with this (a key of `texts.FAILURES`), or only the first
            `open_error_times`.
        fault: it fails so after `after` frames, each time or only the first `fault_times`. 0 frames: at once.
        hangs: after `after` frames it says and does nothing more; a ``deaf`` one ignores SIGTERM as well.
        slow: × real time; None for as fast as it goes.
        refuses: a command whose outputs have this in their words is one that it cannot do.
    """

    family: str = "nvenc"
    index: int = 0
    sessions: int = 3
    codecs: tuple[str, ...] = ("h264", "hevc", "av1")
    depths: tuple[int, ...] = (8, 10)
    max_width: int = 8192
    open_error: str | None = None
    open_error_times: int | None = None
    fault: str | None = None
    after: int = 0
    fault_times: int | None = None
    hangs: Literal["polite", "deaf"] | None = None
    slow: float | None = None
    refuses: str | None = None


@dataclass
class StandIn:
    """A stand-in with its devices, which may change while it is in use.

    Args:
        folder: its state.
        build: it, as a build.
    """

    folder: Path
    real: Build
    devices: tuple[FakeDevice, ...] = field(default=())

    @property
    def path(self) -> Path:
        return self.folder / "ffmpeg"

    @property
    def build(self) -> Build:
        return read_build(self.path)

    @property
    def setting(self) -> str:
        """`RUSHES_FFMPEG`: the stand-in for each family of its devices, the real one for the rest."""
        families = sorted({device.family for device in self.devices})
        return ",".join([str(self.real.path), *(f"{family}={self.path}" for family in families)])

    def environ(self, **more: str) -> dict[str, str]:
        """An environment in which it is used."""
        return {**os.environ, VARIABLE: self.setting, "RUSHES_BOX": "rlimits", **more}

    def becomes(self, *devices: FakeDevice) -> None:
        """The devices are these from now on: what starts later finds them."""
        self.devices = devices
        setup = {
            "real": str(self.real.path),
            "major": self.real.major,
            "devices": [asdict(device) for device in devices],
        }
        fresh = self.folder / "devices.json.new"
        fresh.write_text(json.dumps(setup))
        fresh.replace(self.folder / "devices.json")

    def change(self, family: str, index: int = 0, **how: Any) -> None:
        """One device behaves differently from now on."""
        self.becomes(
            *(
                replace(one, **how) if (one.family, one.index) == (family, index) else one
                for one in self.devices
            )
        )

    @contextmanager
    def occupied(self, sessions: int, family: str = "nvenc", index: int = 0) -> Iterator[None]:
        """So many sessions of a device are taken by somebody else."""
        with ExitStack() as stack:
            for number in range(sessions):
                file = stack.enter_context((self.folder / f"session-{family}-{index}-{number}").open("a"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def sessions_in_use(self, family: str = "nvenc", index: int = 0) -> int:
        """How many sessions are held now."""
        count = 0
        for path in self.folder.glob(f"session-{family}-{index}-*"):
            with path.open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    count += 1
        return count

    def calls(self) -> list[dict[str, Any]]:
        """The encodes that got a session, in order: ``pid``, ``argv``, ``devices``."""
        path = self.folder / "calls.jsonl"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""  # one may be under way
        return [json.loads(line) for line in whole.splitlines()]


class MakeStandIn:
    """Makes stand-ins in a folder; each has a state of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def __call__(self, devices: Sequence[FakeDevice] = (FakeDevice(),), real: Path | None = None) -> StandIn:
        """A stand-in with these devices that works with the `real` ffmpeg, by default the bundled one."""
        self._made += 1
        folder = self._folder / f"standin-{self._made}"
        folder.mkdir(parents=True)
        made = StandIn(folder, read_build(real or bundled_ffmpeg()))
        # -I and -S: nothing of whoever runs it decides what it is; and it starts in 10 ms.
        made.path.write_text(
            f"#!{sys.executable} -IS\n"
            "import sys\n"
            "from pathlib import Path\n"
            f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
            "from standin.program import main\n"
            f"main(Path({str(folder)!r}), sys.argv[1:])\n"
        )
        made.path.chmod(0o755)
        made.becomes(*devices)
        return made


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeStandIn:
    """`standin([FakeDevice(…)])` makes a stand-in ffmpeg. Without the box: it writes to its state folder."""
    monkeypatch.setenv("RUSHES_BOX", "rlimits")
    return MakeStandIn(tmp_path)
