"""What only a decoded frame shows: HDR10+, mastering data of streams without headers for it, interlacing.

A reader's answer. This module must not know what else is asked of a clip.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from rushes.asset import Asset
from rushes.errors import MediaError
from rushes.media.describing.schema import ContentLight, HdrMetadata, MasteringDisplay, VideoStream
from rushes.media.describing.sources import open_clip
from rushes.media.readers.dialect import beside

__all__ = ["first_frame_here"]

_MAX_PACKETS: Final = 400
# AVMasteringDisplayMetadata: red, green, blue and white as pairs of rationals, two levels, two flags.
_MASTERING: Final = struct.Struct("@20i2i")
_LIGHT: Final = struct.Struct("@2I")


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
    found = beside(frame)
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
