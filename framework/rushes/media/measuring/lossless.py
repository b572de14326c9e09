"""What an encoder would be given, kept without loss: parts of a clip after all filters, in one file.

A trial encodes this file and is compared with it. So VMAF tells what the encoder costs; what scaling, a LUT
or a burn-in changes is wished for, and no loss. Cutting and filtering is done once, however many values are
tried. This module must not know what is tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from rushes.asset import Asset
from rushes.errors import MediaError
from rushes.media.describing.index import key_frames_near
from rushes.media.describing.schema import MediaInfo
from rushes.media.encoding.verify import source_truth
from rushes.media.planning.fonts import find_font
from rushes.media.planning.plan import plan_encode
from rushes.media.profile import AudioWish, Profile, VideoWish
from rushes.media.quality.sampling import place_samples, to_key_frames
from rushes.media.readers.guard import check_source, input_args, output_args
from rushes.media.running.builds import Build
from rushes.media.running.process import Supervision, check, run_ffmpeg

__all__ = ["cut", "encoder_alone", "samples_of"]

_SEEKABLE: Final = frozenset({"mov", "mp4", "matroska", "webm"})
# Where a frame is only found by decoding all before it, every sample costs a part of a whole decode.
_MOST_UNSEEKABLE: Final = 4
_NEUTRAL: Final[dict[str, Any]] = {
    "crop": None, "width": None, "height": None, "fraction": None, "square_pixels": False, "fit": "inside",
    "deinterlace": "auto", "frame_rate": None, "cfr": False, "colour": "keep", "colour_range": "keep",
    "tone_map": "off", "lut": None, "burn_in": (),
}  # fmt: skip
"""A wish's filters, at their defaults."""
_UNCODED: Final[dict[str, Any]] = {
    "codec": "ffv1", "variant": None, "quality": None, "bitrate": None, "max_bitrate": None, "speed": None,
    "keyframe_interval_s": None, "pix_fmt": None,
    # It is decoded twice for each value that is tried. Rice codes take half the time of the range coder's
    # (1.2 for 2.1 s of 88 pictures of 720p) and 2 % more space; of more than 8 bits ffmpeg keeps the latter.
    "encoder_options": {"coder": "0", "context": "0"},
}  # fmt: skip
"""A wish's encoder, replaced by a lossless one in the source's own pixel format."""


def encoder_alone(profile: Profile, quality: float) -> Profile:
    """The profile's encoder with a quality value and nothing else of it: for a picture that is filtered."""
    video = profile.video.model_copy(update={**_NEUTRAL, "quality": quality, "bitrate": None})
    return _bare(profile, video)


def cut(
    source: Asset,
    samples: Sequence[tuple[int, int] | None],
    target: Path,
    profile: Profile,
    *,
    info: MediaInfo,
    build: Build,
    supervision: Supervision,
) -> None:
    """Write the samples of `source`, filtered as `profile` wishes, into one lossless file.

    Args:
        source: the clip; its own frame range is not looked at.
        samples: half-open ranges of its frames; None for all of it.
        target: the Matroska file to write.
        profile: whose filters are applied.
        info: a description of `source`.
        build: the ffmpeg to use.
        supervision: of every command; its folder takes what is written on the way.

    Raises:
        CallerError: the profile does not fit the source.
        MediaError: the source is damaged where it was cut.
    """
    wish = profile.video.model_copy(update=_UNCODED)
    lossless = _bare(profile, wish)
    # A sample has no sound: a variable rate, whose sound has no exact place, may be cut all the same.
    silent = info.model_copy(update={"audio": []})
    parts = []
    for number, sample in enumerate(samples):
        part = target.with_name(f"{target.stem}-{number}.mkv")
        chosen = replace(source, frames=None)
        chosen = chosen if sample is None else chosen.with_frames(*sample)
        _write(chosen, part, lossless, info=silent, build=build, supervision=supervision)
        parts.append(part)
    if len(parts) == 1:
        parts[0].rename(target)
        return
    _join(parts, target)
    for part in parts:
        part.unlink()


def samples_of(
    source: Asset, info: MediaInfo
) -> tuple[tuple[tuple[int, int] | None, ...], int, Fraction | None]:
    """Ranges of the source's frames, how many frames they stand for, and their rate.

    Args:
        source: the clip; its frame range is honoured.
        info: its description.

    Raises:
        MediaError: it has no picture.
    """
    stream = info.primary_video
    if stream is None:
        raise MediaError(f"{info.name} has no picture.", code="no-video", fix="Name a clip with one.")
    rate = stream.fps
    if source.frames is None:
        at = Fraction(stream.frame_rate) if info.is_sequence and stream.frame_rate else None
        frames = source_truth(replace(source, frames=None), frame_rate=at, strict=False).frames or 0
    else:
        frames = len(source.frames)
    first = source.frames.start if source.frames is not None else 0
    # Without a constant rate any seek may miss; decoded from the start, a range is exact all the same.
    cheap = rate is not None and stream.rate_mode != "vfr" and info.container.format in _SEEKABLE
    assumed = float(rate or 25)
    placed = place_samples(frames, assumed, most=None if cheap else _MOST_UNSEEKABLE)
    if placed == [(0, frames)]:
        whole = None if source.frames is None else (first, first + frames)
        return (whole,), max(1, frames), rate
    moved = [(first + start, first + stop) for start, stop in placed]
    if cheap:
        moved = to_key_frames(moved, key_frames_near(source, [start for start, _ in moved], assumed))
        moved = [(max(first, start), max(first, start) + stop - start) for start, stop in moved]
    return tuple(moved), frames, rate


def _bare(profile: Profile, video: VideoWish) -> Profile:
    return Profile(
        container="mkv",
        video=video,
        audio=AudioWish(codec="none"),
        captions="drop",
        subtitles="drop",
        metadata="drop",
        on_damage=profile.on_damage,
        threads=profile.threads,
    )


def _write(
    source: Asset, target: Path, profile: Profile, *, info: MediaInfo, build: Build, supervision: Supervision
) -> None:
    plan = plan_encode(
        info,
        profile,
        build,
        source=source,
        input_args=input_args(source, info.container.format),
        target=output_args(target)[-1],
    )
    for staged in plan.staged:
        place = target.with_name(staged.name)
        place.unlink(missing_ok=True)
        if staged.path is None:
            place.write_text(staged.text or "", encoding="utf-8", errors="replace")
        else:
            check_source(staged.path)
            place.symlink_to(staged.path.absolute())
    font = target.with_name("font.ttf")
    if plan.needs_font and not font.exists():
        font.symlink_to(find_font())
    own = replace(supervision, cwd=target.parent)
    check(run_ffmpeg(build, plan.passes[-1], supervision=own, total_s=plan.expected.duration_s), build.major)


def _join(parts: Sequence[Path], target: Path) -> None:
    """One file after another: every FFV1 frame is a key frame, so packets can be put in a row as they are."""
    import av  # noqa: PLC0415 - only for clips that are long enough for several samples

    with av.open(str(target), "w", format="matroska") as joined:
        stream = None
        offset = 0
        for part in parts:
            with av.open(str(part)) as opened:
                video = opened.streams.video[0]
                if stream is None:
                    stream = joined.add_stream_from_template(video)
                base, end = None, 0
                for packet in opened.demux(video):
                    if packet.pts is None or packet.dts is None:
                        continue
                    base = packet.pts if base is None else base
                    end = max(end, packet.pts - base + max(1, packet.duration or 0))
                    packet.pts = packet.dts = packet.pts - base + offset
                    packet.stream = stream
                    joined.mux(packet)
                offset += end
