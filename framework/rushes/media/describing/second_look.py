"""A second look, on request: decode the first frame, with PyAV and with the encoding build, and compare.

Two FFmpegs meet in one installation: PyAV's decides whether a file is media, the encoding build decides
whether it decodes. Decoding also shows what only frames carry: HDR10+, mastering data of streams without
headers for it, interlacing that no header states.
"""

from __future__ import annotations

import os
import re
import struct
from typing import Any, Final

from rushes.asset import Asset
from rushes.errors import MediaError
from rushes.media.describing.schema import ContentLight, HdrMetadata, MasteringDisplay, MediaInfo, VideoStream
from rushes.media.describing.sources import open_clip
from rushes.media.readers.guard import input_args
from rushes.media.readers.questions import ask_about
from rushes.media.running.builds import Build, find_build
from rushes.media.running.process import Limits, Supervision, run_tool

__all__ = ["first_frame_here", "look_closer"]

# One frame: a second when all is well, even of an 8K RAW file on a slow disk ten.
_LIMITS: Final = Limits(stall_s=60.0, time_s=60.0, memory_bytes=4 * 1024**3)
_MAX_PACKETS: Final = 400
_FACT: Final = re.compile(r"^#(dimensions|sar|sample_rate|media_type) (\d+): (.+)$", re.MULTILINE)
# AVMasteringDisplayMetadata: red, green, blue and white as pairs of rationals, two levels, two flags.
_MASTERING: Final = struct.Struct("@20i2i")
_LIGHT: Final = struct.Struct("@2I")


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


def first_frame_here(clip: Asset, path: str, picture: VideoStream) -> VideoStream:
    """`picture` with what its first frame shows, decoded in this process: a reader's answer."""
    import av  # noqa: PLC0415 - heavy

    container = open_clip(clip, path)
    try:
        stream = container.streams[picture.index]
        for count, packet in enumerate(container.demux(stream)):
            frames = packet.decode()
            if frames:
                return _with_frame(picture, frames[0])
            if count > _MAX_PACKETS:
                break
    except av.error.FFmpegError as error:
        raise MediaError(
            f"the first frame of {clip.name} does not decode: {error.strerror}",
            code="damaged",
            fix="Copy it from the source again.",
        ) from error
    finally:
        container.close()
    raise MediaError(f"no frame of {clip.name} decodes", code="damaged", fix="Copy it from the source again.")


def _with_frame(picture: VideoStream, frame: Any) -> VideoStream:
    update: dict[str, Any] = {}
    if picture.field_order == "unknown":
        update["field_order"] = "tt" if frame.interlaced_frame else "progressive"
    if picture.hdr is not None:
        update["hdr"] = _with_side_data(picture.hdr, frame)
    return picture.model_copy(update=update) if update else picture


def _with_side_data(hdr: HdrMetadata, frame: Any) -> HdrMetadata:
    found = {item.type.name: bytes(item) for item in frame.side_data}
    mastering = hdr.mastering or _mastering(found.get("MASTERING_DISPLAY_METADATA", b""))
    light = hdr.content_light or _light(found.get("CONTENT_LIGHT_LEVEL", b""))
    dynamic = "DYNAMIC_HDR_PLUS" in found
    name = hdr.format
    if name in {"pq", "hdr10"}:
        name = "hdr10+" if dynamic else "hdr10" if mastering or light else "pq"
    return hdr.model_copy(
        update={
            "format": name,
            "mastering": mastering,
            "content_light": light,
            "dynamic_metadata": dynamic,
        }
    )


def _mastering(raw: bytes) -> MasteringDisplay | None:
    if len(raw) < _MASTERING.size:
        return None
    values = _MASTERING.unpack_from(raw)
    ratios = [n / d if d else 0.0 for n, d in zip(values[0:20:2], values[1:20:2], strict=True)]
    points = [(round(ratios[i], 5), round(ratios[i + 1], 5)) for i in range(0, 8, 2)]
    has_primaries, has_luminance = values[20], values[21]
    red, green, blue, white = points
    return MasteringDisplay(
        red=red if has_primaries else None,
        green=green if has_primaries else None,
        blue=blue if has_primaries else None,
        white=white if has_primaries else None,
        min_luminance=ratios[8] if has_luminance else None,
        max_luminance=ratios[9] if has_luminance else None,
    )


def _light(raw: bytes) -> ContentLight | None:
    if len(raw) < _LIGHT.size:
        return None
    brightest, average = _LIGHT.unpack_from(raw)
    return ContentLight(max_cll=brightest, max_fall=average) if brightest or average else None


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
