"""Small real files with a few bytes changed: each gets a result or one clear error, and reaches nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import make_media
from rushes.errors import MediaError
from rushes.media.running.builds import bundled_ffmpeg
from sample_media.mutants import SOURCES, mutant

_BLOCK = 100
_FULL = 2000
# Every source once, and some twice.
_FEW = [range(start, start + 15) for start in range(0, 60, 15)]
_ALL = [pytest.param(range(s, s + _BLOCK), marks=pytest.mark.soak) for s in range(0, _FULL, _BLOCK)]


# A hang fails here instead of holding up the suite: a mutant takes half a second.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("numbers", [*_FEW, *_ALL], ids=lambda numbers: f"{numbers[0]}-{numbers[-1]}")
def test_each_mutant_gets_a_result_or_one_clear_media_error(
    media: make_media.Workshop, attempt: Any, tmp_path: Path, numbers: range
) -> None:
    for number in numbers:
        clip = mutant(media, number, tmp_path)

        outcome = attempt(clip)

        for error in (outcome.described, outcome.failed):
            assert error is None or isinstance(error, MediaError), f"{clip.name}: {outcome}"
            # A crash of ours is no answer, even if the file is to blame.
            assert error is None or error.code != "unreadable", f"{clip.name}: {error.details}"
        assert outcome.failed is None or outcome.fails_clearly, f"{clip.name}: {outcome}"
        assert outcome.failed is None or outcome.left == (), f"{clip.name}: {outcome}"
        for path in tmp_path.glob("out/*"):
            path.unlink()
        clip.unlink()


def test_a_mutant_is_the_same_each_time_and_mutants_differ(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    numbers = range(0, 10 * len(SOURCES), len(SOURCES))
    made = [mutant(media, number, tmp_path).read_bytes() for number in numbers]

    assert made == [mutant(media, number, tmp_path).read_bytes() for number in numbers]
    assert max(Counter(made).values()) == 1


# What every process needs: programs, libraries, the kernel's own files, and this checkout.
_OWN = (
    "/usr/", "/bin/", "/lib", "/etc/", "/proc", "/sys/", "/dev/", "/nix/", "/gnu/", "/newroot", "/oldroot",
    sys.prefix, sys.base_prefix, str(bundled_ffmpeg().parent), str(Path(__file__).parents[2]),
)  # fmt: skip
_OPENED = re.compile(r'^(\d+) +open(?:at|at2)?\((?:AT_FDCWD, |\d+, )?"((?:[^"\\]|\\.)*)".* = \d+')
_TALKED = re.compile(r"^\d+ +(?:connect|bind)\(.*(?:AF_INET|AF_UNIX)")
_TRY = """
import json, sys
from pathlib import Path
from rushes.asset import Asset
from rushes.errors import RushesError
from rushes.media.encoding.encode import encode
from rushes.media.describing.inspection import describe
from rushes.media.profile import Profile
from rushes.media.running.process import Supervision
out = Path(sys.argv[1])
profile = Profile.model_validate({"video": {"codec": "h264", "speed": "ultrafast"}, "container": "mp4"})
said = []
for name in sys.argv[2:]:
    for step in (
        lambda: describe(name, count_frames=True),
        lambda: encode(Asset.of(name), out / "o.mp4", profile, supervision=Supervision(cwd=out)),
    ):
        try:
            step()
            said.append("ok")
        except RushesError as error:
            said.append(error.kind)
print(json.dumps(said))
"""


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    "numbers", [range(100, 112), pytest.param(range(100, 300), marks=pytest.mark.soak)], ids=["few", "all"]
)
@pytest.mark.timeout(1800)
def test_no_mutant_makes_any_process_open_another_file_or_talk_to_anybody(
    media: make_media.Workshop, tmp_path: Path, numbers: range
) -> None:
    folder, out, trace = tmp_path / "clips", tmp_path / "out", tmp_path / "trace"
    folder.mkdir()
    out.mkdir()
    clips = [mutant(media, number, folder) for number in numbers]
    wrapper = ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2,connect,bind", "-o", str(trace)]
    argv = [*wrapper, sys.executable, "-c", _TRY, str(out), *map(str, clips)]

    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=1500)

    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) <= {"ok", "media"}
    lines = trace.read_text(errors="replace").splitlines()
    # A place that is named to the kernel for a rule or a mount is not read, nor is what is new.
    read = [line for line in lines if not re.search("O_PATH|O_DIRECTORY|O_EXCL", line)]
    opened = {found[2] for line in read if (found := _OPENED.match(line))}
    assert {str(clip) for clip in clips} <= opened, "the trace shows what was opened"
    own = (*_OWN, str(out), *map(str, clips))
    foreign = {path for path in opened if (path.startswith("/") or ".." in path) and not path.startswith(own)}
    assert {path for path in foreign if not _is_home_of_python(path)} == set()
    assert [line for line in lines if _TALKED.match(line) and "nscd" not in line] == []


def _is_home_of_python(path: str) -> bool:
    """An interpreter looks for packages along its path; the box's trial has a folder of its own."""
    return "site-packages" in path or "__pycache__" in path or "/rushes-box-" in path or path in sys.path
