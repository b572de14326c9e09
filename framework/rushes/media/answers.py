"""Every question that a reader answers, by its name: its arguments in, JSON out.

The modules behind it are those that read; all of them are imported here, for a sealed process can import no
more. This module must not know who asks, nor how answers travel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from rushes.asset import Asset
from rushes.media.describing import index
from rushes.media.describing.description import describe_here
from rushes.media.describing.first_frame import first_frame_here
from rushes.media.describing.index_reading import index_here, key_frames_here, times_here
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.describing.second_opinion import problem_here
from rushes.media.describing.stills import picture_here
from rushes.media.describing.truth import packet_count_here, truth_here
from rushes.media.encoding.verify import ExpectedOutput, verify_here

__all__ = ["ANSWERS"]

Arguments = Mapping[str, Any]

# Built when first used otherwise, which would be in the first answer, and import what the seal forbids.
MediaInfo.model_rebuild()


def _clip(a: Arguments) -> Asset:
    return Asset(a["uri"], local=a["path"])


def _describe(a: Arguments) -> bytes:
    return describe_here(_clip(a), a["path"], count_frames=a["count_frames"]).model_dump_json().encode()


def _picture(a: Arguments) -> bytes:
    found = picture_here(_clip(a), a["path"])
    stream = found.stream.model_dump(mode="json")
    return json.dumps({"stream": stream, "tags": found.tags, "rate": found.rate}).encode()


def _first_frame(a: Arguments) -> bytes:
    known = VideoStream.model_validate(a["picture"])
    return first_frame_here(_clip(a), a["path"], known).model_dump_json().encode()


def _truth(a: Arguments) -> bytes:
    found = truth_here(_clip(a), strict=a["strict"], every_packet=a["every_packet"])
    return json.dumps(asdict(found)).encode()


def _packets(a: Arguments) -> bytes:
    return json.dumps(packet_count_here(_clip(a), a["stream"])).encode()


def _verify(a: Arguments) -> bytes:
    found = verify_here(_clip(a).path, ExpectedOutput(**a["expected"]), a["level"])
    return json.dumps(asdict(found)).encode()


def _decodes(a: Arguments) -> bytes:
    return json.dumps(problem_here(_clip(a))).encode()


def _index(a: Arguments) -> bytes:
    return index.as_json(index_here(_clip(a)))


def _times(a: Arguments) -> bytes:
    return json.dumps(times_here(_clip(a), a["start"], a["stop"]).tolist()).encode()


def _key_frames(a: Arguments) -> bytes:
    return json.dumps(key_frames_here(_clip(a), a["frames"], a["rate"])).encode()


ANSWERS: Final[Mapping[str, Callable[[Arguments], bytes]]] = {
    "decodes": _decodes,
    "describe": _describe,
    "first-frame": _first_frame,
    "index": _index,
    "key-frames": _key_frames,
    "packets": _packets,
    "picture": _picture,
    "times": _times,
    "truth": _truth,
    "verify": _verify,
}
