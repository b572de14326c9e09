"""A second look, on request: decode the first frame, with PyAV and with the encoding build, and compare.

Two FFmpegs meet in one installation: PyAV's decides whether a file is media, the encoding build decides
whether it decodes. Decoding also shows what only frames carry (`first_frame.py`).
"""

from __future__ import annotations

import os
import re
from typing import Final

from rushes.asset import Asset
from rushes.errors import MediaError
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.readers.guard import input_args
from rushes.media.readers.questions import ask_about
from rushes.media.running.builds import Build, find_build
from rushes.media.running.process import Limits, Supervision, run_tool

__all__ = ["look_closer"]

# One frame: a second when all is well, even of an 8K RAW file on a slow disk ten.
_LIMITS: Final = Limits(stall_s=60.0, time_s=60.0, memory_bytes=4 * 1024**3)
_FACT: Final = re.compile(r"^#(dimensions|sar|sample_rate|media_type) (\d+): (.+)$", re.MULTILINE)


def look_closer(clip: Asset, info: MediaInfo, *, build: Build | None = None) -> MediaInfo:
    """`info` with what the first frame shows, and a warning where PyAV and `build` disagree.

    Args:
        clip: the clip that `info` describes.
        info: its description from headers.
        build: the encoding build; None for the one that software encodes use.
    """
    warnings = list(info.warnings)
    picture = info.primary_video
    seen = picture
    if picture is not None and info.encryption is None and not info.is_sequence:
        try:
            seen = _decoded(clip, picture)
        except MediaError as error:
            warnings.append(f"first-frame: {error.message}")
    if info.encryption is None and (picture is not None or info.audio):
        warnings += _compare(clip, info, picture, build or find_build(environ=os.environ))
    video = [seen if seen is not None and v.index == seen.index else v for v in info.video]
    return info.model_copy(update={"video": video, "warnings": warnings})


# -- PyAV -----------------------------------------------------------------------------------------------


def _decoded(clip: Asset, picture: VideoStream) -> VideoStream:
    path = os.path.abspath(clip.path)  # noqa: PTH100 - resolve() would follow links
    return ask_about(
        "first-frame",
        clip,
        path,
        VideoStream.model_validate_json,
        arguments={"picture": picture.model_dump(mode="json")},
        brief=True,
    )


# -- the encoding build ---------------------------------------------------------------------------------


def _compare(clip: Asset, info: MediaInfo, picture: VideoStream | None, build: Build) -> list[str]:
    """Where `build` sees something else than the description says, or cannot decode at all."""
    # Its own report of the decoded streams, in a format made for programs; the pictures only as digests.
    argv = [str(build.path), "-hide_banner", "-nostdin", "-v", "error", "-noautorotate"]
    argv += input_args(clip, info.container.format)
    if picture is not None:
        argv += ["-map", f"0:{picture.index}", "-frames:v", "1"]
    if info.audio:
        argv += ["-map", f"0:{info.audio[0].index}", "-frames:a", "1"]
    run = run_tool([*argv, "-f", "framemd5", "-"], supervision=Supervision(limits=_LIMITS))
    name = f"ffmpeg {build.version}"
    if not run.ok:
        why = run.stopped or (run.stderr_tail.strip().splitlines() or ["no reason given"])[-1]
        return [f"disagreement: PyAV opens the clip, {name} does not decode it: {str(why)[:200]}"]
    facts: dict[str, dict[str, str]] = {}
    for key, index, value in _FACT.findall(run.stdout_tail):
        facts.setdefault(index, {})[key] = value.strip()
    found = []
    for fact in facts.values():
        kind = fact.get("media_type")
        if kind == "video" and picture is not None:
            said, expected = fact.get("dimensions"), f"{picture.width}x{picture.height}"
            if said and said != expected:
                found.append(f"disagreement: PyAV says {expected}, {name} decodes {said}")
        elif kind == "audio":
            rate = str(info.audio[0].sample_rate)
            if fact.get("sample_rate") not in {None, rate}:
                found.append(f"disagreement: PyAV says {rate} Hz, {name} decodes {fact['sample_rate']} Hz")
    return found
