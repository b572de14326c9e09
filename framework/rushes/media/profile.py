"""What an encode should be: codec, quality, size, colour, audio, container. Nothing of how.

A profile is a wish that any encoder family may fulfil; `rushes.media.planning.plan` turns it into a command
for one build and one source, and refuses what the source cannot give. Frozen and canonical, so that it can be
part of a key. This module must not know ffmpeg's options.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.units import parse_size

__all__ = [
    "AudioCodec",
    "AudioWish",
    "BitRate",
    "BurnIn",
    "Container",
    "CropText",
    "FractionText",
    "Profile",
    "RateText",
    "SizeBytes",
    "VideoCodec",
    "VideoWish",
]

VideoCodec = Literal[
    "h264", "hevc", "av1", "vp9", "prores", "dnxhr", "xdcam_hd422", "avcintra", "ffv1", "jpeg2000",
    "copy", "none",
]  # fmt: skip
AudioCodec = Literal["auto", "aac", "opus", "ac3", "eac3", "flac", "pcm_s16le", "pcm_s24le", "copy", "none"]
Container = Literal["mov", "mp4", "mkv", "webm", "mxf", "ts"]
BurnIn = Literal["name", "timecode", "frame"]

_CROP: Final = re.compile(r"(\d+):(\d+):(\d+):(\d+)")


def _bits(value: Any) -> Any:
    """Bits a second: ``8M``, ``800k`` or a number."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMG]?)(?:b(?:it)?/?p?s)?\s*", value)
    if match is None:
        msg = "expected a bit rate such as 8M, 800k or a number of bits per second"
        raise ValueError(msg)
    return round(float(match[1]) * {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3}[match[2]])


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_size(value)
    except CallerError as error:
        raise ValueError(str(error)) from error


def _fraction_text(value: str) -> str:
    try:
        number = Fraction(value)
    except (ValueError, ZeroDivisionError) as error:
        msg = f"{value!r} is no fraction; expected 1/2, 1/4 or 0.5"
        raise ValueError(msg) from error
    if not 0 < number <= 1:
        msg = f"{value} is not above 0 and at most 1"
        raise ValueError(msg)
    return str(number)


_SPOKEN_RATES: Final = {
    "23.976": Fraction(24000, 1001), "23.98": Fraction(24000, 1001), "29.97": Fraction(30000, 1001),
    "47.952": Fraction(48000, 1001), "47.95": Fraction(48000, 1001), "59.94": Fraction(60000, 1001),
    "119.88": Fraction(120000, 1001),
}  # fmt: skip
"""23.976 is what people say for 24000/1001; a proxy at exactly 23.976 would drift a frame in 42 minutes."""


def _rate_text(value: str) -> str:
    try:
        rate = _SPOKEN_RATES.get(value) or Fraction(value)
    except (ValueError, ZeroDivisionError) as error:
        msg = f"{value!r} is no frame rate; expected 25, 23.976 or 24000/1001"
        raise ValueError(msg) from error
    if not 0 < rate <= 1000:
        msg = f"a frame rate of {value} is not above 0 and at most 1000"
        raise ValueError(msg)
    return str(rate)


def _crop_text(value: str) -> str:
    match = _CROP.fullmatch(value)
    if match is None or not int(match[1]) or not int(match[2]):
        msg = f"{value!r} is no crop; expected WIDTH:HEIGHT:X:Y in pixels of the upright picture"
        raise ValueError(msg)
    return value


def _numeric_to_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float | Fraction) and not isinstance(value, bool) else value


BitRate = Annotated[int, BeforeValidator(_bits), Field(gt=0)]
"""Bits a second; also read from ``8M`` and ``800k``."""
SizeBytes = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
"""Bytes; also read from ``500MB`` and ``2GiB``."""
FractionText = Annotated[str, BeforeValidator(_numeric_to_text), AfterValidator(_fraction_text)]
"""A fraction above 0 and at most 1, as ``1/2``."""
RateText = Annotated[str, BeforeValidator(_numeric_to_text), AfterValidator(_rate_text)]
"""Exact frames per second as ``25`` or ``24000/1001``; 23.976, 29.97 and their kin are read as such."""
CropText = Annotated[str, AfterValidator(_crop_text)]
"""``WIDTH:HEIGHT:X:Y`` in pixels of the upright picture."""


class _Wish(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class VideoWish(_Wish):
    """What the picture should be. What is left out is as in the source."""

    codec: VideoCodec = Field("h264", description="Codec; copy keeps the source's, none leaves video out.")
    variant: str | None = Field(
        None, description="The codec's profile: main10, 422hq, hqx, 100 (AVC-Intra class) and so on."
    )
    quality: float | None = Field(
        None, ge=0, le=63, description="Constant quality on the codec's own scale (CRF); lower is better."
    )
    bitrate: BitRate | None = Field(None, description="Average bits a second.")
    max_bitrate: BitRate | None = Field(None, description="Peak bits a second, over a two-second buffer.")
    speed: str | None = Field(None, description="The encoder's preset: medium, veryfast; 0-13 for AV1.")
    keyframe_interval_s: float | None = Field(
        None, gt=0, le=600, description="Longest distance between key frames, in seconds."
    )
    pix_fmt: str | None = Field(None, pattern=r"^[a-z0-9]+$", description="Pixel format, e.g. yuv420p10le.")
    width: int | None = Field(None, ge=16, le=16384, description="Width in pixels.")
    height: int | None = Field(None, ge=16, le=16384, description="Height in pixels.")
    fraction: FractionText | None = Field(None, description="Size as a fraction of the source's: 1/2.")
    fit: Literal["inside", "stretch", "pad", "fill"] = Field(
        "inside",
        description="With width and height: inside keeps the shape, pad adds bars, fill cuts.",
    )
    upscale: Literal["refuse", "skip", "allow"] = Field(
        "refuse", description="A size above the source's: refuse it, skip the scaling, or allow it."
    )
    crop: CropText | None = Field(None, description="WIDTH:HEIGHT:X:Y, before scaling.")
    square_pixels: bool = Field(default=False, description="Resample anamorphic pixels to square ones.")
    deinterlace: Literal["auto", "on", "off"] = Field(
        "auto",
        description="auto: an interlaced source is deinterlaced where the codec or the scaling needs it.",
    )
    frame_rate: RateText | None = Field(None, description="Constant frame rate of the result.")
    cfr: bool = Field(
        default=False,
        description="Make a variable rate constant, at frame_rate or the source's nominal rate.",
    )
    colour: Literal["keep", "bt709", "bt2020", "bt601-625", "bt601-525"] = Field(
        "keep", description="Colour space of the result (primaries, transfer and matrix)."
    )
    colour_range: Literal["keep", "tv", "pc"] = Field(
        "keep", description="Levels: tv (limited) or pc (full)."
    )
    tone_map: Literal["off", "hable", "mobius", "reinhard", "clip"] = Field(
        "off", description="Tone map HDR to SDR BT.709 with this curve; an SDR source is left alone."
    )
    lut: Asset | None = Field(None, description="A .cube look-up table, applied before scaling.")
    burn_in: tuple[BurnIn, ...] = Field((), description="Burn name, timecode or frame into the picture.")
    decodes_easily: bool = Field(
        default=False,
        description="A stream that is little work to decode, as far as the encoder can: editors scrub.",
    )
    encoder_options: dict[str, str] = Field(
        default_factory=dict, description="Options of the encoder itself, from its allow-list."
    )


class AudioWish(_Wish):
    """What the sound should be. Every track is kept, in order, unless `tracks` says otherwise."""

    codec: AudioCodec = Field(
        "auto",
        description="Codec; auto fits container and video, copy keeps the source's, none leaves it out.",
    )
    bitrate: BitRate | None = Field(None, description="Bits a second of each track, for lossy codecs.")
    sample_rate: int | None = Field(None, ge=8000, le=192000, description="Samples a second.")
    layout: Literal["keep", "mono", "stereo", "5.1", "split"] = Field(
        "keep", description="Channels of each track; split makes one mono track of every channel."
    )
    tracks: tuple[int, ...] | None = Field(
        None, description="Which tracks, counted from 0 among the source's audio; all when left out."
    )
    loudness: float | None = Field(
        None, ge=-70, le=-5, description="EBU R128 integrated loudness in LUFS, measured in a first pass."
    )
    true_peak: float = Field(-1.0, ge=-9, le=0, description="True peak ceiling in dBTP, with loudness.")
    loudness_range: float = Field(11.0, ge=1, le=50, description="Loudness range in LU, with loudness.")


class Profile(_Wish):
    """What an encode should be. Immutable; two equal profiles ask for the same result.

    Raises:
        pydantic.ValidationError: an option contradicts another whatever the source is. What depends on
            the source is refused by the plan, before the encode starts.
    """

    container: Container = Field("mp4", description="Container of the result.")
    video: VideoWish = VideoWish()
    audio: AudioWish = AudioWish()
    target_size: SizeBytes | None = Field(
        None, description="Size of the whole file in bytes, by a two-pass encode."
    )
    captions: Literal["keep", "drop"] = Field("keep", description="Closed captions carried in the picture.")
    subtitles: Literal["auto", "keep", "drop"] = Field(
        "auto", description="auto keeps what the container can hold and warns; keep refuses to lose any."
    )
    data: Literal["drop", "keep"] = Field(
        "drop", description="Data tracks (telemetry); timecode is carried either way."
    )
    metadata: Literal["keep", "drop"] = Field("keep", description="Tags, chapters, creation time, languages.")
    timecode: str = Field("keep", description="keep, drop, or a start timecode such as 01:00:00:00.")
    reel: str = Field("keep", max_length=64, description="keep, drop, or a reel name.")
    faststart: bool = Field(default=True, description="Index at the front of mp4 and mov files.")
    on_damage: Literal["fail", "salvage"] = Field(
        "fail", description="A damaged source fails, or is saved as far as it decodes, with a warning."
    )
    verify: Literal["packets", "full"] = Field(
        "packets", description="packets: all packets, first and last group of pictures decoded; full: all."
    )
    threads: int = Field(
        2, ge=1, le=64, description="Threads of decoder and encoder; part of what makes a repeat identical."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Profile:
        for problem in _contradictions(self):
            raise ValueError(problem)
        return self


def _contradictions(profile: Profile) -> list[str]:
    return [*_of_video(profile), *_of_audio(profile.video, profile.audio)]


def _of_video(profile: Profile) -> list[str]:
    video = profile.video
    controls = {"quality": video.quality, "bitrate": video.bitrate, "target_size": profile.target_size}
    chosen = [name for name, value in controls.items() if value is not None]
    found = []
    if len(chosen) > 1:
        found.append(f"{' and '.join(chosen)} exclude each other; give one")
    if video.fraction is not None and (video.width or video.height):
        found.append("fraction and width or height exclude each other; give one")
    if video.fit != "inside" and not (video.width and video.height):
        found.append(f"fit={video.fit} needs both width and height")
    changed = sorted(_changes(video)) if video.codec in {"copy", "none"} else []
    if changed:
        found.append(f"codec={video.codec} cannot change {', '.join(changed)}; choose a codec or leave out")
    if len(set(video.burn_in)) != len(video.burn_in):
        found.append(f"burn_in names something twice: {', '.join(video.burn_in)}")
    if video.tone_map != "off" and video.colour not in {"keep", "bt709"}:
        found.append(f"tone_map makes BT.709 and excludes colour={video.colour}")
    return found


def _of_audio(video: VideoWish, audio: AudioWish) -> list[str]:
    found = []
    if audio.codec in {"copy", "none"}:
        changed = [n for n in ("bitrate", "sample_rate", "loudness") if getattr(audio, n) is not None]
        changed += ["layout"] if audio.layout != "keep" else []
        if changed:
            found.append(f"audio codec={audio.codec} cannot change {', '.join(changed)}")
    if video.codec == "none" and audio.codec == "none":
        found.append("video and audio are both none: nothing would be left")
    return found


def _changes(video: VideoWish) -> set[str]:
    """The options that need an encode and are not at their defaults."""
    allowed = {"codec", "deinterlace", "fit", "upscale"}
    return {
        name
        for name, field in VideoWish.model_fields.items()
        if name not in allowed and getattr(video, name) != field.get_default(call_default_factory=True)
    }
