"""How many bits the picture gets: quality, bit rate or a target size, in an encoder row's own words.

Also the rest of what a row spells: threads, key frames, presets, allow-listed options and HDR metadata,
which share its parameter string with the rate control. Pure; it must not name an encoder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from rushes.errors import CallerError
from rushes.media.encoders import Spelling, VideoEncoder, rows_of
from rushes.media.planning.colour import ColourPlan, mastering_svt, mastering_x265
from rushes.media.profile import Profile

__all__ = ["RateControl", "rate_args"]

_OVERHEAD: Final = 0.985
"""Of a target size, what is left for essence: containers take 0.5 to 1.5 % at these rates."""
_LEAST_BITS: Final = 20_000
_STATISTICS: Final = "twopass"
"""Name of the first pass's log, in the encode's own folder."""

_Written = tuple[list[str], dict[str, str]]
"""Words of the command line, and entries of the encoder's own parameter string."""


@dataclass(frozen=True, slots=True)
class RateControl:
    """The encoder's arguments, one tuple a pass."""

    passes: tuple[tuple[str, ...], ...]


def rate_args(
    encoder: VideoEncoder,
    profile: Profile,
    *,
    rate: Fraction | None,
    duration_s: float | None,
    audio_bits: int,
    major: int,
    colour: ColourPlan | None,
) -> RateControl:
    """The arguments that fulfil quality, bit rate or target size, threads, preset and options.

    Args:
        encoder: the row that spells them.
        profile: the wish.
        rate: frames per second, for the distance between key frames.
        duration_s: of the result, for a target size.
        audio_bits: bits a second of all sound tracks together.
        major: of the ffmpeg build.
        colour: HDR metadata to write; None for a copied picture.

    Raises:
        CallerError: the encoder has no such control, option or value.
    """
    wish = profile.video
    args: list[str] = []
    params = {k: v.format(n=profile.threads) for k, v in encoder.params.items()}
    bits = _bits(encoder, profile, duration_s, audio_bits)
    wishes = [
        _quality(encoder, wish.quality) if bits is None else encoder.bitrate_as.written(v=bits),
        _cap(encoder, wish.max_bitrate, by_quality=bits is None),
        _speed(encoder, wish.speed),
        _key_frames(encoder, wish.keyframe_interval_s, rate),
    ]
    for words, entries in wishes:
        args += words
        params |= entries
    args += [word.format(n=profile.threads) for word in encoder.threads]
    args += encoder.fixed
    if encoder.captions is not None and major >= encoder.captions_since:
        args += [encoder.captions, "1" if profile.captions == "keep" else "0"]
    if colour is not None and colour.hdr is not None and encoder.hdr is not None:
        spelled = mastering_x265 if encoder.hdr == "x265" else mastering_svt
        params |= spelled(colour.hdr)
        if colour.hdr.dolby_vision is not None and major >= 7:
            # Since 7.1 the wrapper copies the RPU by itself, and then refuses without a VBV buffer.
            args += ["-dolbyvision", "0"]
    options, own = _options(encoder, wish.encoder_options)
    if wish.decodes_easily and not set(encoder.decodes_easily) & set(options):
        args += encoder.decodes_easily
    args += options
    params |= own
    if profile.target_size is None:
        return RateControl((_with_params(encoder, args, params),))
    return RateControl(tuple(_of_pass(encoder, args, params, number) for number in (1, 2)))


def _of_pass(encoder: VideoEncoder, args: list[str], params: dict[str, str], number: int) -> tuple[str, ...]:
    if encoder.passes == "params":
        own = params | {"pass": str(number), "stats": f"{_STATISTICS}.log"}
        return _with_params(encoder, args, own)
    return _with_params(encoder, [*args, "-pass", str(number), "-passlogfile", _STATISTICS], params)


def _with_params(encoder: VideoEncoder, args: list[str], params: dict[str, str]) -> tuple[str, ...]:
    if not params or encoder.params_option is None:
        return tuple(args)
    joined = ":".join(f"{key}={value}" for key, value in params.items())
    return (*args, encoder.params_option, joined)


def _bits(encoder: VideoEncoder, profile: Profile, duration_s: float | None, audio_bits: int) -> int | None:
    wish = profile.video
    if profile.target_size is None:
        if wish.bitrate is not None and not encoder.bitrate:
            raise _refused(encoder, "sets its own bit rate", "Choose another variant, or leave bitrate out.")
        return wish.bitrate
    if not encoder.bitrate:
        raise _refused(encoder, "sets its own bit rate, so it has no target size", "Use h264 or hevc.")
    if encoder.passes is None:
        raise _refused(encoder, "has one pass only and would miss a size by far", "Use bitrate or quality.")
    if not duration_s:
        raise CallerError(
            "a target size needs a duration, and the source states none.",
            code="bad-option",
            fix="Use bitrate or quality.",
        )
    bits = int(profile.target_size * 8 * _OVERHEAD / duration_s) - audio_bits
    if bits < _LEAST_BITS:
        least = int((_LEAST_BITS + audio_bits) * duration_s / 8 / _OVERHEAD)
        raise CallerError(
            f"{profile.target_size} bytes are too few for {duration_s:.1f} s of picture and sound.",
            code="bad-option",
            fix=f"Allow at least {least} bytes, or lower the audio bitrate.",
        )
    return bits


def _quality(encoder: VideoEncoder, wished: float | None) -> _Written:
    scale = encoder.quality
    if scale is None:
        if wished is not None:
            raise _refused(encoder, "has no quality scale", "Choose another variant, or leave quality out.")
        return [], {}
    if wished is None:
        if not scale.low <= scale.default <= scale.high:
            return [], {}
        wished = scale.default
    if not scale.low <= wished <= scale.high:
        raise _refused(
            encoder, f"takes a quality of {scale.low:g} to {scale.high:g}, not {wished:g}", "Lower is better."
        )
    value = f"{wished:g}"
    option = (scale.option, value) if scale.option else ()
    return Spelling((*option, *scale.also), scale.params).written(v=value)


def _cap(encoder: VideoEncoder, wished: int | None, *, by_quality: bool) -> _Written:
    if wished is None:
        return [], {}
    if not encoder.max_bitrate:
        raise _refused(encoder, "has a fixed rate: it takes no max_bitrate", "Leave max_bitrate out.")
    if by_quality and not encoder.capped_quality:
        raise _refused(encoder, "takes no max_bitrate beside a quality", "Give a bitrate too.")
    return encoder.cap_as.written(v=wished, buffer=2 * wished)


def _speed(encoder: VideoEncoder, wished: str | None) -> _Written:
    value = wished or encoder.speed
    if value is None:
        return [], {}
    if not encoder.speeds and value in _known_speeds(encoder.codec):
        return [], {}  # a device with one speed takes any wish for it
    if value not in encoder.speeds:
        fix = f"Choose one of {', '.join(encoder.speeds)}." if encoder.speeds else "Leave speed out."
        raise _refused(encoder, f"has no speed {value!r}", fix)
    return encoder.speed_as.get(value, Spelling((encoder.speed_option, value))).written(v=value)


def _known_speeds(codec: str) -> frozenset[str]:
    """The presets of the codec's software encoders, which wishes are written in."""
    return frozenset(speed for row in rows_of(codec, "software") for speed in row.speeds)


def _key_frames(encoder: VideoEncoder, interval_s: float | None, rate: Fraction | None) -> _Written:
    if interval_s is None:
        return [], {}
    if not encoder.inter:
        raise _refused(encoder, "makes every frame a key frame", "Leave keyframe_interval_s out.")
    if rate is None:
        # By the clock instead of by count; the encoder then hears of each key frame one frame ahead.
        return ["-force_key_frames:v", f"expr:gte(t,n_forced*{interval_s:g})"], {}
    frames = max(1, round(interval_s * rate))
    if encoder.gop_most is not None and frames > encoder.gop_most:
        raise _refused(
            encoder,
            f"takes at most {encoder.gop_most} frames between key frames, not {frames}",
            f"Set keyframe_interval_s to {float(encoder.gop_most / rate):.2f} or less.",
        )
    return encoder.gop_as.written(v=frames)


def _options(encoder: VideoEncoder, wished: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    args: list[str] = []
    params: dict[str, str] = {}
    for name, value in sorted(wished.items()):
        rule = encoder.options.get(name)
        if rule is None:
            known = ", ".join(sorted(encoder.options)) or "it takes none"
            raise _refused(encoder, f"has no allowed option {name!r}", f"Allowed: {known}.")
        if re.fullmatch(rule.pattern, value) is None:
            raise _refused(encoder, f"does not take {name}={value!r}", f"Expected {rule.pattern}.")
        if rule.param:
            params[name] = value
        else:
            args += [f"-{name}", value]
    return args, params


def _refused(encoder: VideoEncoder, what: str, fix: str) -> CallerError:
    return CallerError(f"{encoder.codec} ({encoder.name}) {what}.", code="bad-option", fix=fix)
