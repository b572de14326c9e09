"""Whose fault it is that an encode failed without a reason: the source's, if that does not decode whole.

ffmpeg conceals what it cannot decode, leaves out a track in which nothing is, and ends without a word. Asked
only then, a reader decodes all of the source with the other decoder. A source that decodes whole leaves the
error as it was. This module must not know how the encode was made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rushes.asset import Asset
from rushes.errors import MediaError, PlatformError, RushesError
from rushes.media.readers.dialect import ratio
from rushes.media.readers.questions import ask_about
from rushes.media.running.dialect import NO_SUCH_INSTRUCTION

if TYPE_CHECKING:
    from av.packet import Packet as AnyPacket
    from av.stream import Stream

    from rushes.media.readers.decoding import Decoding
    from rushes.media.readers.packets import StreamCount

    Packet = AnyPacket[Any]

__all__ = ["blamed", "problem_here"]

# What software says when it cannot tell why.
_UNEXPLAINED: Final = frozenset(("tool-failed", "bad-output", "crashed"))
# Less is the silence that codecs add and take.
_MISSING_S: Final = 0.2


def blamed(error: RushesError, source: Asset, *, cancelled: Callable[[], bool] | None = None) -> RushesError:
    """`error`, or the source's own fault where that explains it.

    Args:
        error: what came of an encode in software.
        source: its clip.
        cancelled: asked now and then while it is decoded.
    """
    if not isinstance(error, PlatformError) or error.code not in _UNEXPLAINED or source.sequence is not None:
        return error
    if error.details.get("exit_status") in NO_SUCH_INSTRUCTION:
        return error
    path = os.path.abspath(source.path)  # noqa: PTH100 - resolve() would follow links
    try:
        problem = ask_about("decodes", source, path, _problem, arguments={}, cancelled=cancelled)
    except MediaError as found:
        return found
    if problem is None:
        return error
    return MediaError(
        f"{source.name} {problem}.",
        code="damaged",
        fix="Copy it from the source again, or encode what there is (on_damage: salvage).",
        details={**error.details, "then": error.message},
    )


def problem_here(clip: Asset) -> str | None:
    """What is wrong with a clip that is decoded whole, read in this process: a reader's answer."""
    from rushes.media.readers.packets import count_packets, open_source, primary_video  # noqa: PLC0415 - PyAV

    with open_source(clip) as container:
        video = primary_video(container)
        heard = {
            stream.index: _Heard(stream)
            for stream in container.streams
            if stream.type == "audio" or stream is video
        }

        def visit(packet: Packet) -> None:
            one = heard.get(packet.stream_index)
            if one is not None:
                one.decoding.feed(packet)

        counts, error = count_packets(container, visit=visit)
        for one in heard.values():
            one.decoding.finish()
        if error is not None:
            return f"cannot be read to its end ({error})"
        return next(_problems(heard, counts), None)


@dataclass(slots=True)
class _Heard:
    """One stream, decoded whole."""

    stream: Stream
    decoding: Decoding = field(init=False)

    def __post_init__(self) -> None:
        from rushes.media.readers.decoding import Decoding  # noqa: PLC0415 - PyAV

        self.decoding = Decoding(self.stream, None)


def _problems(heard: Mapping[int, _Heard], counts: Mapping[int, StreamCount]) -> Iterator[str]:
    """What shows that the source is not whole, as the rest of a sentence."""
    for index, one in heard.items():
        seen, decoding = counts[index], one.decoding
        if seen.packets == 0:
            yield f"declares a track of {seen.kind} in which nothing is"
        if decoding.problem is not None:
            yield decoding.problem
        if seen.disordered or decoding.goes_back:
            yield "has timestamps that go back"
        shown = seen.packets - seen.hidden - seen.leading
        if seen.kind == "video" and decoding.frames < shown:
            yield f"has {shown} pictures of which {decoding.frames} can be decoded"
        if seen.kind == "audio":
            yield from _silences(one, seen.duration_s or 0.0)
    corrupt = sum(count.corrupt for count in counts.values())
    if corrupt:
        yield f"has {corrupt} incomplete packets"


def _silences(one: _Heard, holds_s: float) -> Iterator[str]:
    declared_s = float((one.stream.duration or 0) * (ratio(one.stream.time_base) or 0))
    if declared_s - holds_s > _MISSING_S:
        yield f"declares {declared_s:.2f} s of sound and holds {holds_s:.2f} s"
    if holds_s - one.decoding.seconds > _MISSING_S:
        yield f"has {holds_s:.2f} s of sound of which {one.decoding.seconds:.2f} s can be decoded"


def _problem(told: bytes) -> str | None:
    problem = json.loads(told)
    if problem is not None and (not isinstance(problem, str) or len(problem) > 500):
        raise ValueError("no sentence")
    return problem
