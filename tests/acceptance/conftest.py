"""One way to try a clip, for all acceptance tests: describe it, encode it, and keep what came of both."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from started import Started

from rushes.asset import Asset
from rushes.errors import RushesError
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.encoding.encode import Encoded, encode
from rushes.media.profile import Profile
from rushes.media.readers import reader as reader_module
from rushes.media.running.builds import Build, find_build
from rushes.media.running.process import Limits, Supervision

# Far above what any clip here needs; what reaches them hangs or floods, and fails its test.
LIMITS = Limits(stall_s=30, time_s=60, memory_bytes=2 * 1024**3, output_bytes=256 * 1024**2)
_PICTURE = {"codec": "h264", "speed": "ultrafast", "quality": 40}
_SOUND = {"codec": "aac"}


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _is_clear(error: RushesError | None) -> bool:
    """One sentence with a code: no line break, nothing that a terminal would obey, nothing of Python's."""
    if error is None or not error.code:
        return False
    return 10 < len(error.message) < 500 and not _CONTROL.search(str(error)) and "Traceback" not in str(error)


@dataclass(frozen=True)
class Outcome:
    """What came of one clip: an answer or an error, for each of the two things that are done with it."""

    info: MediaInfo | None
    described: RushesError | None
    encoded: Encoded | None
    failed: RushesError | None
    left: tuple[str, ...]

    @property
    def describes_clearly(self) -> bool:
        """Whether the refusal to describe it is one that a person can read."""
        return _is_clear(self.described)

    @property
    def fails_clearly(self) -> bool:
        """Whether the failure of its encode is one that a person can read."""
        return _is_clear(self.failed)

    def __str__(self) -> str:
        return f"describe: {self.described or 'ok'} · encode: {self.failed or 'ok'} · left {self.left}"


Trial = Callable[..., Outcome]


@pytest.fixture
def attempt(tmp_path: Path) -> Trial:
    """Describes a clip and encodes it; only our own errors are caught, so that any other fails the test."""

    def run(source: Path, *, on_damage: str = "fail", build: Build | None = None) -> Outcome:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        started = Started()
        info = described = encoded = failed = None
        try:
            info = describe(source)
        except RushesError as error:
            described = error
        picture = _PICTURE if info is None or info.primary_video else {"codec": "none"}
        wish = {"video": picture, "audio": _SOUND, "container": "mp4", "on_damage": on_damage}
        profile = Profile.model_validate(wish)
        try:
            supervision = Supervision(limits=LIMITS, cwd=tmp_path)
            encoded = encode(Asset.of(source), out / "out.mp4", profile, supervision=supervision, build=build)
        except RushesError as error:
            failed = error
        left = tuple(sorted(path.name for path in out.iterdir()))
        readers = {reader.pid for reader in reader_module._idle}  # these stay, warm
        assert [one for one in started.now() if one.pid not in readers] == []
        return Outcome(info, described, encoded, failed, left)

    return run


@pytest.fixture(params=[pytest.param("bundled"), pytest.param("system", marks=pytest.mark.needs("ffmpeg"))])
def build(request: pytest.FixtureRequest) -> Build:
    """Each ffmpeg that Rushes is tested with: the one that comes along, and the system's older one."""
    if request.param == "bundled":
        return find_build(environ={})
    return find_build(environ={"RUSHES_FFMPEG": str(shutil.which("ffmpeg"))})
