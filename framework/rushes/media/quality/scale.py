"""One scale of quality for every encoder: a level or a VMAF in, the encoder's own value out.

CRF 23 means one thing to x264, another to SVT-AV1 and nothing to a card. What a value is worth was measured
(`rushes.media.quality.curves`) or is an estimate with its source; what an answer rests on is part of it. A
curve is a mean over clips: one clip may be several points off, and `rushes.media.measuring.target` finds its
own value. This module must not start anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

from rushes.errors import CallerError
from rushes.media.describing.schema import MediaInfo
from rushes.media.encoders import VIDEO_ENCODERS, VideoEncoder
from rushes.media.planning.geometry import upright
from rushes.media.profile import Profile
from rushes.media.quality.curves import QualityCurve, load_curves
from rushes.media.quality.estimates import SCALES, Scale
from rushes.media.quality.levels import LEVELS, Level

__all__ = [
    "QualityValue",
    "curve_for",
    "quality_for",
    "resolve_quality",
    "row_for",
    "scale_of",
    "shown_height",
    "value_of",
    "vmaf_of",
    "with_quality",
]

_X26X: Final = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
# The same value is worth a little more on a larger picture; further away than this, it is another curve.
_NEAR: Final = 1.5


@dataclass(frozen=True, slots=True)
class QualityValue:
    """The value to give an encoder, and what is known of it.

    Args:
        value: on the encoder's own scale.
        expected_vmaf: on average; one clip may be several points off.
        measured: this encoder, preset and height were measured; else it is an estimate.
        source: where the figure is from.
        bits_ratio: expected bit rate as a ratio to libx264 medium at 23; None where it is not known.
    """

    value: float
    expected_vmaf: float
    measured: bool
    source: str
    bits_ratio: float | None = None


def quality_for(
    encoder_name: str,
    speed: str | None,
    wish: Level | float,
    height: int,
    *,
    curves: Sequence[QualityCurve] | None = None,
) -> QualityValue:
    """The value with which an encoder gives a quality, on average.

    Args:
        encoder_name: ffmpeg's name.
        speed: its preset; None for the one that its curves begin with.
        wish: a level, or a VMAF from 0 to 100.
        height: of the picture in pixels; of a wide one, as if it were 16:9.
        curves: None for those that ship.

    Raises:
        CallerError: no curve is known of this encoder, or it does not reach that quality.
    """
    curve, exact = curve_for(encoder_name, speed, height, curves=curves)
    target = vmaf_of(wish)
    if target > curve.vmaf.best:
        raise CallerError(
            f"{encoder_name} reaches a VMAF of {curve.vmaf.best:.1f} on average (at {curve.vmaf.low:g}), "
            f"not {target:g}.",
            code="unreachable-quality",
            fix="Ask for less, give a quality value of its own, or choose a mezzanine codec.",
        )
    value = scale_of(encoder_name).nearest(curve.vmaf.solve(target), curve.vmaf.low, curve.vmaf.high)
    measured = exact and curve.measured
    source = curve.source
    if curve.measured and not exact:
        source = f"the nearest that was measured, preset {curve.preset} at {curve.height} lines; {source}"
    return QualityValue(value, curve.vmaf.at(value), measured, source, curve.bits_at(value))


def vmaf_of(wish: Level | float) -> float:
    """The VMAF that a wish means.

    Raises:
        CallerError: it is no level and no VMAF.
    """
    if isinstance(wish, str):
        if wish not in LEVELS:
            raise CallerError(
                f"{wish!r} is no level of quality.",
                code="bad-option",
                fix=f"Choose one of {', '.join(get_args(Level))}, or a VMAF.",
            )
        return LEVELS[wish]
    if not 0 < wish <= 100:
        raise CallerError(
            f"a VMAF of {wish:g} is not above 0 and at most 100.", code="bad-option", fix="93 is usual."
        )
    return float(wish)


def scale_of(encoder_name: str) -> Scale:
    """The bounds and steps of an encoder's quality value.

    Raises:
        CallerError: nothing is known of this encoder's scale.
    """
    scale = SCALES.get(encoder_name) or _of_device(encoder_name)
    if scale is None:
        raise CallerError(
            f"{encoder_name} has no quality scale that is known here.",
            code="bad-option",
            fix=f"Use one of {', '.join(SCALES)}, or give bitrate or quality.",
        )
    return scale


def _of_device(encoder_name: str) -> Scale | None:
    """The scale of a device's encoder of which nobody has said anything, by its own bounds."""
    for row in VIDEO_ENCODERS:
        if row.name == encoder_name and row.family != "software" and row.quality is not None:
            return Scale(max(1.0, row.quality.low), row.quality.high, 1.0)
    return None


def curve_for(
    encoder_name: str, speed: str | None, height: int, *, curves: Sequence[QualityCurve] | None = None
) -> tuple[QualityCurve, bool]:
    """The nearest curve of an encoder, and whether it is of that very preset and about that height.

    Raises:
        CallerError: there is none.
    """
    scale_of(encoder_name)
    known = [
        curve for curve in (load_curves() if curves is None else curves) if curve.encoder == encoder_name
    ]
    if not known:
        raise CallerError(
            f"nothing is known of what {encoder_name}'s quality values are worth.",
            code="bad-option",
            fix="Give quality or bitrate instead, or measure it with samples/calibrate_quality.py.",
        )
    asked = speed or known[0].preset
    curve = min(known, key=lambda c: (_steps_apart(c.preset, asked), _octaves(c.height, height)))
    exact = curve.preset == asked and _octaves(curve.height, height) <= math.log(_NEAR)
    return curve, exact


def resolve_quality(profile: Profile, wish: Level | float, info: MediaInfo, encoder: VideoEncoder) -> Profile:
    """The same profile with the encoder's own value in place of a level or a VMAF.

    Args:
        profile: the wish for everything else; its own quality, if any, is replaced.
        wish: a level, or a VMAF.
        info: the clip.
        encoder: the row that will encode it.

    Raises:
        CallerError: the codec has no quality to choose, or does not reach this one.
    """
    value = value_of(profile, wish, info, encoder).value
    return with_quality(profile, value)


def value_of(profile: Profile, wish: Level | float, info: MediaInfo, encoder: VideoEncoder) -> QualityValue:
    """As `resolve_quality`, with what is known of the value.

    Raises:
        CallerError: as `resolve_quality`.
    """
    if encoder.quality is None or encoder.name not in SCALES:
        raise CallerError(
            f"{encoder.codec} ({encoder.name}) has no quality to choose by VMAF.",
            code="bad-option",
            fix="Use h264, hevc, av1 or vp9, or choose a variant of this codec.",
        )
    return quality_for(encoder.name, profile.video.speed or encoder.speed, wish, shown_height(profile, info))


def row_for(profile: Profile, family: str = "software") -> VideoEncoder:
    """The encoder row that a profile's codec is encoded with.

    Raises:
        CallerError: there is none, or it has no quality that could be chosen.
    """
    codec = profile.video.codec
    for row in VIDEO_ENCODERS:
        if row.codec == codec and row.family == family and row.quality is not None:
            return row
    raise CallerError(
        f"codec {codec} has no quality to choose by VMAF.",
        code="bad-option",
        fix="Use h264, hevc, av1 or vp9, or leave the wish for a quality out.",
    )


def with_quality(profile: Profile, value: float) -> Profile:
    """The profile with this value as its rate control."""
    video = profile.video.model_copy(update={"quality": value, "bitrate": None})
    return profile.model_copy(update={"video": video, "target_size": None})


def shown_height(profile: Profile, info: MediaInfo) -> int:
    """Height of the result, as if it were 16:9; 720 where the clip does not tell."""
    stream = info.primary_video
    if stream is None or not stream.height:
        return 720
    width, height = upright(stream)[:2]
    wish = profile.video
    factor = 1.0
    if wish.fraction is not None:
        number, _, under = wish.fraction.partition("/")
        factor = float(number) / float(under or 1)
    elif wish.height:
        factor = wish.height / height
    elif wish.width:
        factor = wish.width / width
    return round(max(height, width * 9 / 16) * factor)


def _steps_apart(preset: str, asked: str) -> int:
    if preset in {asked, ""}:
        return 0
    if preset in _X26X and asked in _X26X:
        return abs(_X26X.index(preset) - _X26X.index(asked))
    if preset.isdecimal() and asked.isdecimal():
        return abs(int(preset) - int(asked))
    return len(_X26X)


def _octaves(height: int, asked: int) -> float:
    return abs(math.log(height / asked)) if height > 0 and asked > 0 else 0.0
