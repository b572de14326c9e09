"""The command of each part of a chunked encode, made of the very plan that would encode the clip whole.

A part's command is the plan's own, whose selection of frames is replaced by one in the source's ticks; so
encoder, filters, colour and rate control are those of the ordinary way. Pure: words in, words out. This
module must not start anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rushes.asset import Asset
from rushes.errors import PlatformError
from rushes.media.chunking.chunks import Uncuttable
from rushes.media.chunking.part_order import PartOrder
from rushes.media.describing.schema import MediaInfo
from rushes.media.planning.plan import BuildFacts, EncodePlan, plan_encode
from rushes.media.profile import Profile

__all__ = [
    "HELD_IN",
    "chunk_command",
    "filter_margin",
    "refuse_uncuttable",
    "seconds",
    "warnings_of",
]

HELD_IN: Final = {
    "h264": "mp4", "hevc": "mp4", "av1": "mp4", "vp9": "mp4",
    "prores": "mov", "dnxhr": "mov", "jpeg2000": "mov",
}  # fmt: skip
"""What a part is written as: these keep every time exactly, and parameter sets apart from the pictures."""
_MARGIN: Final = 2
"""Frames on both sides of the one that bwdif makes: it looks at one, and begins and ends differently."""
_SELECTS: Final = re.compile(r"trim=[^\[;,]*")
_DEINTERLACES: Final = re.compile(r"bwdif=[^\[;,]*")
_ALONE: Final = {"pools=1": "pools=none"}
"""x265 keeps a pool for one thread too, and codes rows so that several could share them: measured without
(1080p, veryfast), 2 % less processor time and 1 % fewer bytes."""
_REBASES: Final = "setpts=PTS-STARTPTS"


def refuse_uncuttable(source: Asset, info: MediaInfo, profile: Profile, plan: EncodePlan) -> None:
    """Pass if the parts of an encode of this plan can be as the whole would be.

    Raises:
        Uncuttable: they cannot, and why.
    """
    codec = profile.video.codec
    reasons = (
        (info.is_sequence, "it is an image sequence"),
        (source.frames is not None, "only a range of its frames is wanted"),
        (codec in {"copy", "none"} or plan.encoder == "copy", "its picture is not encoded"),
        (codec not in HELD_IN, f"no container holds parts of {codec} by exact times"),
        (profile.container == "mxf", "an MXF is written in one piece"),
        (profile.target_size is not None, "a target size is shared out by a pass over the whole clip"),
        (profile.on_damage == "salvage", "what a damaged clip holds is only known once it is decoded"),
        (plan.expected.slack != 0, "a conversion of its frame rate repeats or drops frames"),
        (plan.expected.frames is None, "its frames cannot be counted beforehand"),
        (len(plan.passes) != 1, "it takes more than one pass"),
    )
    for applies, reason in reasons:
        if applies:
            raise Uncuttable(reason)


def warnings_of(profile: Profile) -> tuple[str, ...]:
    """What parts cannot promise that a whole can."""
    if profile.video.max_bitrate is None:
        return ()
    return ("encoded in chunks: max_bitrate holds within each of them; at a joint the buffer starts anew",)


def filter_margin(plan: EncodePlan) -> int:
    """Frames before and after a part that its filters have to see."""
    return _MARGIN if any(_DEINTERLACES.search(word) for word in plan.passes[-1]) else 0


def chunk_command(
    info: MediaInfo,
    profile: Profile,
    build: BuildFacts,
    order: PartOrder,
    *,
    source: Asset,
    input_args: Sequence[str],
    target: str,
    seeks: bool = True,
) -> EncodePlan:
    """The plan of one part, of one pass; picture only.

    Args:
        info: the clip.
        profile: the wish; its threads are each part's.
        build: what the ffmpeg build can do.
        order: the part.
        source: the clip.
        input_args: the options and ``-i`` that open it.
        target: the file to write, as ffmpeg names it.
        seeks: enter the file near the part; else decode from its beginning, which is always right.

    Raises:
        CallerError: an option does not fit the source, the codec or the container.
        PlatformError: the build lacks something, or the plan selects frames in a way unknown here.
    """
    chunk = order.chunk
    silent = info.model_copy(update={"audio": [], "subtitles": [], "data": []})
    made = plan_encode(
        silent,
        _picture_only(profile),
        build,
        source=source.with_frames(chunk.start, chunk.stop),
        input_args=input_args,
        target=target,
        present=order.frames,
        present_s=order.duration_s,
        spot=order.spot,
    )
    (words,) = made.passes
    args = _without_seek(list(words))
    if seeks and chunk.seek_us is not None:
        seek = ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", seconds(chunk.seek_us)]
        args[_input_at(args) : _input_at(args)] = seek
    args[:0] = ["-copyts"]
    at = args.index("-filter_complex") + 1
    args[at] = _graph(args[at], order)
    if "-frames:v" in args:
        args[args.index("-frames:v") + 1] = str(len(chunk))
    if "-x265-params" in args:
        at = args.index("-x265-params") + 1
        args[at] = ":".join(_ALONE.get(word, word) for word in args[at].split(":"))
    args[_last(args, "-f") + 1] = HELD_IN[profile.video.codec]
    return EncodePlan(
        (tuple(args),), made.encoder, made.expected, staged=made.staged, needs_font=made.needs_font
    )


def _picture_only(profile: Profile) -> Profile:
    """The same wish without all that the whole file gets once its parts are together."""
    no_sound = {"codec": "none", "layout": "keep", "loudness": None, "bitrate": None, "sample_rate": None}
    return profile.model_copy(
        update={
            "audio": profile.audio.model_copy(update=no_sound),
            "subtitles": "drop",
            "data": "drop",
            "metadata": "drop",
            "reel": "drop",
            "timecode": profile.timecode if "timecode" in profile.video.burn_in else "drop",
            "faststart": False,
        }
    )


# -- words --------------------------------------------------------------------------------------------------


def _graph(text: str, order: PartOrder) -> str:
    """The plan's graph, whose frames are chosen by their times in the source."""
    if _SELECTS.search(text) is None or _REBASES not in text:
        raise PlatformError(
            "the plan of a part selects its frames in an unknown way.",
            code="bad-chunk-plan",
            fix="Encode the clip whole (chunks=1).",
            details={"graph": text},
        )
    chunk = order.chunk
    ticks = f"settb=expr={order.time_base}"
    taken = f"{ticks},trim={_bounds(chunk.start_pts, chunk.stop_pts)}"
    # Were the first frame another one, its time would not be zero: the check of a part rests on this.
    rebased = f"setpts=PTS-({chunk.start_pts})"
    if order.rate is not None:
        rebased += f",settb=expr={1 / order.rate}"
    if _DEINTERLACES.search(text) is None:
        return _SELECTS.sub(taken, text, count=1).replace(_REBASES, rebased, 1)
    # A filter that looks at neighbours is shown them first, and they are left out behind it.
    seen = f"{ticks},trim={_bounds(chunk.lead_pts, chunk.tail_pts)}"
    text = _SELECTS.sub(seen, text, count=1).replace(_REBASES, "null", 1)
    return _DEINTERLACES.sub(lambda found: f"{found[0]},{taken},{rebased}", text, count=1)


def _bounds(start: int, stop: int | None) -> str:
    return f"start_pts={start}" + ("" if stop is None else f":end_pts={stop}")


def _without_seek(args: list[str]) -> list[str]:
    at = args.index("-i")
    if "-ss" not in args[:at]:
        return args
    seek = args.index("-ss")
    return args[:seek] + args[seek + 2 :]


def _input_at(args: Sequence[str]) -> int:
    """Where the options of the input begin: behind those that hold for the decoder."""
    return args.index("-protocol_whitelist")


def _last(args: Sequence[str], word: str) -> int:
    return len(args) - 1 - list(reversed(args)).index(word)


def seconds(microseconds: int) -> str:
    """Microseconds as ffmpeg reads a time exactly."""
    sign = "-" if microseconds < 0 else ""
    whole, rest = divmod(abs(microseconds), 1_000_000)
    return f"{sign}{whole}.{rest:06d}"
