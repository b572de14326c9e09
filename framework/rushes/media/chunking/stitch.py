"""Checks the parts of a chunked encode, and puts their pictures behind one another as if they were one.

Each packet is shown when its frame is shown in the source: by its number in the order of showing, so that
no clock of a part matters. This module must not know how a part was made, nor what becomes of the result.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
import av.error

from rushes.asset import Asset
from rushes.errors import Cancelled, MediaError, PlatformError
from rushes.media.chunking.part_order import PartOrder
from rushes.media.readers.dialect import ratio, texts
from rushes.media.readers.packets import open_source, primary_video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AnyPacket
    from av.video.stream import VideoStream

    Packet = AnyPacket[Any]

__all__ = ["CheckedPart", "check_part", "stitch"]

_ENDS: Final = 8
"""Frames on either side of a joint that are decoded; before the last of them only what they are made of."""
_SKIPPED: Final = {"hevc": "BIDIR"}
"""What is not decoded before the last frames. An HEVC decoder makes up what these refer to and goes on:
measured at 1080p, it finds the same damage, for 0.6 % of the encode's processor time in place of 2.8 %."""
_ASK_EVERY: Final = 256


@dataclass(frozen=True)
class CheckedPart:
    """A part that passed.

    Args:
        path: the file.
        parameters: codec, size and parameter sets; those of all parts of a clip are equal.
        times: when each packet is shown, in the order of the file, in the file's own ticks.
        tag: the sample entry.
        encoder: what the encoder calls itself; "" where the file does not say.
    """

    path: Path
    parameters: tuple[object, ...]
    times: array[int]
    tag: str = ""
    encoder: str = ""

    @property
    def delay(self) -> int:
        """By how many packets the order of decoding runs ahead of that of showing."""
        places = {pts: number for number, pts in enumerate(sorted(self.times))}
        return max(number - places[pts] for number, pts in enumerate(self.times))


def check_part(path: Path, order: PartOrder, times: Sequence[int], *, decodes: bool = True) -> CheckedPart:
    """What a part is, if it holds just its frames and can be decoded on either side of a joint.

    Args:
        path: the file.
        order: what it should be.
        times: when each of its frames is shown in the clip, in the clip's ticks, ascending.
        decodes: look at the pictures too; else at what the packets say.

    Raises:
        PlatformError: it does not (``bad-chunk``).
    """
    try:
        with open_source(Asset.of(path)) as container:
            video = primary_video(container)
            if video is None:
                raise _bad(path, "has no picture")
            part, last_key, problem = _read(container, video, path)
            problem = problem or _misplaced(part, video, order, times)
            # The outer ends are those of the result, which is verified as a whole.
            if decodes and order.number > 0:
                problem = problem or _broken_beginning(container, video)
            if decodes and not order.is_last:
                problem = problem or _broken_end(container, video, last_key)
    except (av.error.FFmpegError, MediaError, OSError) as error:
        raise _bad(path, f"cannot be read back: {error}") from error
    if problem is not None:
        raise _bad(path, problem)
    return part


def stitch(
    parts: Sequence[CheckedPart],
    target: Path,
    times: Sequence[int],
    unit: Fraction,
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Write the pictures of all `parts` to `target`, a mov or mp4 by its name, each shown at its time.

    Args:
        parts: in the order in which they are shown.
        target: the file to write.
        times: when each frame is shown, in `unit`.
        unit: seconds.
        cancelled: asked every few hundred packets.

    Raises:
        PlatformError: parameter sets differ, the parts are not as many frames as `times`, or they cannot be
            written (``bad-chunk``, ``no-stitch``).
    """
    for part in parts:
        if part.parameters != parts[0].parameters:
            raise _bad(part.path, "has other parameter sets than the first")
    if sum(len(part.times) for part in parts) != len(times):
        raise PlatformError(
            f"the parts hold {sum(len(part.times) for part in parts)} frames, not {len(times)}.",
            code="no-stitch",
            fix="Encode the clip whole (chunks=1).",
        )
    delay = max(part.delay for part in parts)
    # An empty edit at the front is counted in the movie's ticks, thousandths unless told: then it rounds.
    options = {"movie_timescale": str(unit.denominator)}
    try:
        with av.open(str(target), "w", format=target.suffix[1:], options=options) as out:
            writer = _Writer(out, times, unit, delay)
            for part in parts:
                writer.add(part, cancelled)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise PlatformError(
            f"the parts cannot be put together: {error}.",
            code="no-stitch",
            fix="Encode the clip whole (chunks=1).",
        ) from error


class _Writer:
    """Writes packets one after another, in the order of decoding."""

    def __init__(self, out: Any, times: Sequence[int], unit: Fraction, delay: int) -> None:
        self._out = out
        self._times = times
        self._unit = unit
        self._delay = delay
        self._step = times[1] - times[0] if len(times) > 1 else 1
        self._stream: Any = None
        self._written = 0

    def add(self, part: CheckedPart, cancelled: Callable[[], bool]) -> None:
        first = self._written
        places = {pts: first + number for number, pts in enumerate(sorted(part.times))}
        with open_source(Asset.of(part.path)) as container:
            video = primary_video(container)
            if video is None:
                raise _bad(part.path, "has lost its picture")
            if self._stream is None:
                self._stream = self._out.add_stream_from_template(video, opaque=True)
                self._stream.time_base = self._unit
            for packet in container.demux(video):
                if packet.size == 0 or packet.pts is None:
                    continue
                self._write(packet, places[packet.pts])
                if self._written % _ASK_EVERY == 0 and cancelled():
                    raise Cancelled

    def _write(self, packet: Packet, place: int) -> None:
        times = self._times
        following = times[place + 1] if place + 1 < len(times) else times[place] + self._last_step()
        packet.stream = self._stream
        packet.time_base = self._unit
        packet.pts = times[place]
        packet.dts = self._decoded_at(self._written)
        packet.duration = following - times[place]
        self._out.mux_one(packet)
        self._written += 1

    def _decoded_at(self, number: int) -> int:
        # Decoding goes in step with showing, `delay` frames ahead; before the first there is an even step.
        early = self._delay - number
        return self._times[-early] if early <= 0 else self._times[0] - early * self._step

    def _last_step(self) -> int:
        return self._times[-1] - self._times[-2] if len(self._times) > 1 else 1


def _read(container: InputContainer, video: VideoStream, path: Path) -> tuple[CheckedPart, int, str | None]:
    times: array[int] = array("q")
    last_key = 0
    problem: str | None = None
    for packet in container.demux(video):
        if packet.size == 0:
            continue
        if packet.is_corrupt:
            problem = "has an incomplete packet"
        if not times and not packet.is_keyframe:
            problem = "does not begin with a keyframe"
        if packet.pts is None:
            return CheckedPart(path, (), times), 0, "has a packet without a time"
        if packet.is_keyframe:
            last_key = packet.pts
        times.append(packet.pts)
    context = video.codec_context
    parameters = (
        context.name, video.width, video.height, context.pix_fmt, str(ratio(video.sample_aspect_ratio)),
        context.extradata,
    )  # fmt: skip
    named = texts(video.metadata).get("encoder", "")
    return CheckedPart(path, parameters, times, context.codec_tag, named), last_key, problem


def _misplaced(part: CheckedPart, video: VideoStream, order: PartOrder, times: Sequence[int]) -> str | None:
    """Whether it holds other frames than its own: each tells by its time, counted from the part's first."""
    chunk = order.chunk
    if len(part.times) != len(chunk):
        return f"has {len(part.times)} frames instead of {len(chunk)}"
    base = ratio(video.time_base)
    if base is None:
        return "has no time base"
    if order.rate is not None:
        step = 1 / (order.rate * base)
        wanted = [number * step for number in range(len(chunk))]
    else:
        scale = order.time_base / base
        wanted = [(pts - chunk.start_pts) * scale for pts in times]
    for number, (found, meant) in enumerate(zip(sorted(part.times), wanted, strict=True)):
        if abs(found - meant) > 1:
            seconds = float((found - meant) * base)
            return f"shows another frame as its {number}th: {seconds:+.6f} s from where that one is"
    return None


def _broken_beginning(container: InputContainer, video: VideoStream) -> str | None:
    """What keeps the first frames from being decoded."""
    packets: list[Packet] = []
    container.seek(0, stream=video, backward=True)
    for packet in container.demux(video):
        if packet.size:
            packets.append(packet)
        if len(packets) == _ENDS:
            break
    problem = _decoded(video.codec_context, packets)
    return None if problem is None else f"{problem} at its beginning"


def _broken_end(container: InputContainer, video: VideoStream, last_key: int) -> str | None:
    """What keeps the last frames from being decoded."""
    group: list[Packet] = []
    container.seek(last_key, stream=video, backward=True)
    for packet in container.demux(video):
        if packet.size and packet.is_keyframe:
            group = []
        if packet.size:
            group.append(packet)
    problem = _decoded(video.codec_context, group)
    return None if problem is None else f"{problem} at its end"


def _decoded(context: Any, packets: Sequence[Packet]) -> str | None:
    """What is wrong with the last frames of these, which begin with a keyframe."""
    if not context.is_open:
        # By slices, as verification does: by frames the mark of a damaged picture may be lost.
        context.thread_type = "SLICE"
    before = _SKIPPED.get(context.name, "NONREF")
    try:
        for number, packet in enumerate([*packets, None]):
            # Of a long group only what the last frames refer to: the others are another joint's matter.
            context.skip_frame = "DEFAULT" if number >= len(packets) - _ENDS else before
            if any(frame.is_corrupt for frame in context.decode(packet)):
                return "has damaged pictures"
    except av.error.FFmpegError as error:
        return f"cannot be decoded ({error.strerror})"
    finally:
        context.skip_frame = "DEFAULT"
        context.flush_buffers()
    return None


def _bad(path: Path, complaint: str) -> PlatformError:
    return PlatformError(
        f"The part {path.name} {complaint}.",
        code="bad-chunk",
        fix="It is made again; if that does not help, encode the clip whole (chunks=1).",
        details={"part": path.name, "complaint": complaint},
    )
