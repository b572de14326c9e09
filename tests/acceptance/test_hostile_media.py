"""Media made to do harm gets one clear answer, quickly, and touches nothing besides itself."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import make_media
from rushes.asset import Asset
from rushes.errors import CallerError, MediaError, PlatformError
from rushes.media.describing.inspection import describe
from rushes.media.encoding.encode import encode
from rushes.media.profile import Profile
from sample_media import bombs

# A hang fails here instead of holding up the suite; nothing below needs a tenth of it.
pytestmark = pytest.mark.timeout(90)

RECIPES = make_media.RECIPES.values()
NAMES = [recipe.name for recipe in RECIPES if recipe.set == "names"]
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _hostile(*expect: str) -> list[str]:
    return [r.name for r in RECIPES if r.set == "hostile" and r.facts["expect"] in expect]


@pytest.mark.parametrize("name", _hostile("unreadable"))
def test_a_file_that_points_elsewhere_is_refused_as_media(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    outcome = attempt(media(name))

    assert isinstance(outcome.described, MediaError), outcome
    assert outcome.describes_clearly, outcome
    assert isinstance(outcome.failed, MediaError), outcome
    assert outcome.left == ()


@pytest.mark.parametrize("name", _hostile("caller"))
def test_what_is_no_regular_file_is_the_callers_mistake_and_is_never_opened(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    outcome = attempt(media(name))

    assert isinstance(outcome.described, CallerError), outcome
    assert outcome.describes_clearly, outcome
    assert outcome.described.fix
    assert isinstance(outcome.failed, CallerError), outcome
    assert outcome.left == ()


@pytest.mark.parametrize("name", _hostile("limited"))
def test_a_bomb_is_the_medias_fault_or_stays_inside_the_limits(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    outcome = attempt(media(name))

    assert outcome.described is None or isinstance(outcome.described, MediaError), outcome
    if outcome.failed is not None:
        # A limit of memory is met by the machine, all others by the file.
        assert isinstance(outcome.failed, MediaError | PlatformError), outcome
        assert outcome.fails_clearly, outcome
        assert outcome.left == ()
    else:
        assert outcome.encoded.frames <= 100
        assert outcome.encoded.size_bytes < 10_000_000


@pytest.mark.parametrize("name", _hostile("contained"))
def test_odd_media_gets_a_result_or_one_clear_error(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    outcome = attempt(media(name))

    if outcome.failed is not None:
        assert isinstance(outcome.failed, MediaError), outcome
        assert outcome.fails_clearly, outcome
        assert outcome.left == ()
    else:
        assert outcome.encoded.frames in {1, 5, 50}


def test_a_picture_whose_name_is_a_pattern_is_read_alone(media: make_media.Workshop) -> None:
    info = describe(media("pattern_name.png"))

    # Its neighbours, which the pattern fits, are 64 pixels wide.
    assert info.primary_video is not None
    assert (info.primary_video.width, info.primary_video.height) == (32, 32)


def test_hostile_tags_reach_a_description_whole_and_no_filter(
    media: make_media.Workshop, attempt: Any
) -> None:
    outcome = attempt(media("hostile_tags.mkv"))

    assert outcome.info.tags["title"] == bombs.HOSTILE_TAGS["title"]
    assert outcome.info.tags["ARTIST"] == bombs.HOSTILE_TAGS["artist"]
    # They are data: a tag may be handed on as a tag, and is no part of any filter.
    argv = outcome.encoded.argv
    graphs = [value for option, value in pairwise(argv) if re.match(r"-(vf|af|filter)", option)]
    assert [graph for graph in graphs if "textfile" in graph or "touch" in graph] == []
    assert [word for word in outcome.encoded.warnings if _CONTROL.search(word)] == []


def test_a_tag_of_a_million_letters_does_not_make_a_description_of_a_million(
    media: make_media.Workshop,
) -> None:
    assert len(describe(media("huge_tag.mkv")).model_dump_json()) < 100_000


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_of_any_name_becomes_a_proxy_of_that_very_name(
    media: make_media.Workshop, tmp_path: Path, name: str
) -> None:
    target = tmp_path / name
    profile = Profile.model_validate(
        {"video": {"codec": "h264", "speed": "ultrafast", "quality": 40}, "container": "mp4"}
    )

    made = encode(Asset.of(media(name)), target, profile)

    assert made.frames == 50
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [os.fsencode(name)]


# Nothing besides itself ---------------------------------------------------------------------------


@contextmanager
def _listening() -> Iterator[socket.socket]:
    """A loopback port at which nobody should call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


# Tries each clip and prints how it went, as a process of its own that can be traced and measured.
_TRY = """
import json, sys
from pathlib import Path
from rushes.asset import Asset
from rushes.errors import RushesError
from rushes.media.encoding.encode import encode
from rushes.media.describing.inspection import describe
from rushes.media.running.process import Limits, Supervision
from rushes.media.profile import Profile
limits = Limits(stall_s=30, time_s=60, memory_bytes=2 * 1024**3)
profile = Profile.model_validate({"video": {"codec": "h264"}, "container": "mp4"})
out = Path(sys.argv[1])
kinds = {}
for name in sys.argv[2:]:
    kinds[name] = []
    for step in (
        lambda: describe(name, count_frames=True),
        lambda: encode(Asset.of(name), out / "o.mp4", profile, supervision=Supervision(limits=limits)),
    ):
        try:
            step()
        except RushesError as error:
            kinds[name].append(error.kind)
        else:
            kinds[name].append("ok")
print(json.dumps({"kinds": kinds}))
"""


def _try_apart(out: Path, *names: Path, wrapper: tuple[str, ...] = ()) -> Any:
    argv = [*wrapper, sys.executable, "-c", _TRY, str(out), *map(str, names)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=80)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_playlist_makes_a_connection(tmp_path: Path) -> None:
    with _listening() as server:
        shop = make_media.workshop(tmp_path / "media", port=server.getsockname()[1])
        clips = [shop(name) for name in (*_hostile("unreadable"), "subtitle_playlist.avi")]

        report = _try_apart(tmp_path, *clips)

        assert {str(c): report["kinds"][str(c)] for c in clips[:-1]} == {
            str(c): ["media", "media"] for c in clips[:-1]
        }
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.needs("strace")
def test_no_hostile_file_makes_any_process_open_another_file_or_a_socket(tmp_path: Path) -> None:
    shop = make_media.workshop(tmp_path / "media", port=9)
    names = (*_hostile("unreadable"), "subtitle_playlist.avi", "pattern_name.png")
    clips = [shop(name) for name in names]
    bait = [shop("h264.ts"), shop("h264.mp4"), shop("concat_sibling.mp4").parent / "good.ts"]
    bait += [shop("pattern_name.png").parent / f"x00{number}y.png" for number in (1, 2, 3)]
    trace = tmp_path / "trace"
    wrapper = ("strace", "-f", "-qq", "-e", "trace=open,openat,socket,connect,bind", "-o", str(trace))

    _try_apart(tmp_path, *clips, wrapper=wrapper)

    lines = trace.read_text(errors="replace").splitlines()
    assert any("hls_http.mp4" in line for line in lines), "the trace shows what was opened"
    assert [line for line in lines if any(f'{path}"' in line for path in bait)] == []
    # The link to /etc/passwd is itself an input; through any other file it may not be reached by name.
    assert [line for line in lines if "/etc/shadow" in line] == []
    assert [line for line in lines if re.search(r"(socket|connect|bind)\(.*AF_INET", line)] == []


def test_a_source_is_the_same_after_it_was_described_and_encoded(
    media: make_media.Workshop, attempt: Any, tmp_path: Path
) -> None:
    for name in ("h264.mp4", "cut60_h264.mkv", "hls_http.mp4", "hostile_tags.mkv"):
        source = media.copy(name, tmp_path)
        source.chmod(0o444)
        before = (source.read_bytes(), source.stat().st_mtime_ns)

        attempt(source)

        assert (source.read_bytes(), source.stat().st_mtime_ns) == before
