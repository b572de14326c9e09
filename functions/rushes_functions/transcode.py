"""Transcodes by preset, with every option of a profile open to be overridden."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from rushes import Asset, CallerError, Context, Output, Params, Profile, Resources, Result, function
from rushes.media.profile import (
    AudioCodec,
    BitRate,
    BurnIn,
    Container,
    CropText,
    FractionText,
    RateText,
    SizeBytes,
    VideoCodec,
)
from rushes.media.quality.levels import Level
from rushes_functions.encoder_options import ENCODER, FALLBACK, EncoderText, FallbackText
from rushes_functions.presets import EXTENSIONS, PRESETS, Chunks, PresetName, as_list, preset_profile
from rushes_functions.transcode_quality import choose

__all__ = ["TranscodeParams", "TranscodeResult", "transcode"]


def _as_pairs(value: Any) -> Any:
    """``tune=film,bf=3`` as a command line has it."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if any(not equals for _, equals, _ in pairs):
        msg = "expected NAME=VALUE, several with commas"
        raise ValueError(msg)
    return {name.strip(): text.strip() for name, _, text in pairs}


class TranscodeParams(Params):
    """Options of `transcode`: a preset, and what is to differ from it."""

    preset: PresetName = Field("streaming-h264", description="Named preset to start from.")
    preset_file: Asset | None = Field(
        None, description="A preset of your own: a YAML or JSON file in the shape of a profile."
    )
    container: Container | None = Field(None, description="Container: mov, mp4, mkv, webm, mxf, ts.")
    video: VideoCodec | None = Field(None, description="Video codec; copy keeps the source's, none drops it.")
    variant: str | None = Field(None, description="The codec's profile: main10, 422hq, hqx, 100.")
    quality: float | None = Field(None, ge=0, le=63, description="Constant quality (CRF); lower is better.")
    quality_level: Level | None = Field(
        None,
        description="Quality by name, the same for every codec: from what its values are worth on average.",
    )
    target_vmaf: float | None = Field(
        None, gt=0, le=100, description="Quality as a mean VMAF, found for each clip on samples of it: 93."
    )
    check_quality: bool = Field(
        default=False, description="Measure the VMAF of samples of the result, and say what it is."
    )
    bitrate: BitRate | None = Field(None, description="Average video bits a second: 8M, 800k.")
    max_bitrate: BitRate | None = Field(None, description="Peak video bits a second.")
    target_size: SizeBytes | None = Field(None, description="Size of the file, by two passes: 500MB.")
    speed: str | None = Field(None, description="The encoder's preset: veryfast, medium, slow; 0-13 for AV1.")
    keyframe_interval_s: float | None = Field(None, gt=0, le=600, description="Seconds between key frames.")
    pix_fmt: str | None = Field(
        None, pattern=r"^[a-z0-9]+$", examples=["yuv420p10le"], description="Pixel format: yuv420p10le."
    )
    width: int | None = Field(None, ge=16, le=16384, description="Width in pixels.")
    height: int | None = Field(None, ge=16, le=16384, description="Height in pixels.")
    fraction: FractionText | None = Field(None, description="Size as a fraction of the source's: 1/2.")
    fit: Literal["inside", "stretch", "pad", "fill"] | None = Field(
        None, description="With width and height: inside, pad (bars), fill (cut) or stretch."
    )
    upscale: Literal["refuse", "skip", "allow"] | None = Field(
        None, description="A size above the source's: refuse, skip or allow it."
    )
    crop: CropText | None = Field(None, description="WIDTH:HEIGHT:X:Y, before scaling.")
    square_pixels: bool | None = Field(None, description="Resample anamorphic pixels to square ones.")
    deinterlace: Literal["auto", "on", "off"] | None = Field(
        None, description="Interlaced sources: auto where needed, on, or off."
    )
    frame_rate: RateText | None = Field(None, description="Constant frame rate: 25, 23.976, 30000/1001.")
    cfr: bool | None = Field(None, description="Make a variable frame rate constant.")
    colour: Literal["keep", "bt709", "bt2020", "bt601-625", "bt601-525"] | None = Field(
        None, description="Colour space of the result."
    )
    colour_range: Literal["keep", "tv", "pc"] | None = Field(None, description="Levels: tv or pc.")
    tone_map: Literal["off", "hable", "mobius", "reinhard", "clip"] | None = Field(
        None, description="Tone map HDR to SDR BT.709 with this curve."
    )
    lut: Asset | None = Field(None, description="A .cube look-up table, applied before scaling.")
    burn_in: Annotated[tuple[BurnIn, ...] | None, BeforeValidator(as_list)] = Field(
        None, description="Burn in name, timecode, frame; several with commas."
    )
    encoder_options: Annotated[dict[str, str] | None, BeforeValidator(_as_pairs)] = Field(
        None, description="Allow-listed options of the encoder: tune=film,bf=3."
    )
    audio: AudioCodec | None = Field(None, description="Audio codec; copy keeps the source's, none drops it.")
    audio_bitrate: BitRate | None = Field(None, description="Bits a second of each audio track.")
    sample_rate: int | None = Field(None, ge=8000, le=192000, description="Audio samples a second.")
    layout: Literal["keep", "mono", "stereo", "5.1", "split"] | None = Field(
        None, description="Channels of each track; split makes a mono track of every channel."
    )
    audio_tracks: Annotated[tuple[int, ...] | None, BeforeValidator(as_list)] = Field(
        None, description="Which audio tracks, from 0; several with commas."
    )
    loudness: float | None = Field(
        None, ge=-70, le=-5, description="EBU R128 loudness in LUFS, e.g. -23; measured in a first pass."
    )
    true_peak: float | None = Field(None, ge=-9, le=0, description="True peak ceiling in dBTP (-1).")
    captions: Literal["keep", "drop"] | None = Field(None, description="Closed captions in the picture.")
    subtitles: Literal["auto", "keep", "drop"] | None = Field(
        None, description="auto keeps what the container holds; keep refuses to lose any."
    )
    data: Literal["drop", "keep"] | None = Field(None, description="Data tracks such as telemetry.")
    metadata: Literal["keep", "drop"] | None = Field(None, description="Tags, chapters, creation time.")
    start_timecode: str | None = Field(None, description="keep, drop, or a start such as 01:00:00:00.")
    reel: str | None = Field(None, max_length=64, description="keep, drop, or a reel name.")
    faststart: bool | None = Field(None, description="Index at the front of mp4 and mov files.")
    on_damage: Literal["fail", "salvage"] | None = Field(
        None, description="A damaged source fails, or is saved as far as it decodes."
    )
    verify: Literal["packets", "full"] | None = Field(
        None, description="packets, or full: decode everything."
    )
    threads: int | None = Field(None, ge=1, le=64, description="Threads; 2 by default.")
    encoder: EncoderText | None = Field(None, description=ENCODER)
    fallback: FallbackText | None = Field(None, description=FALLBACK)
    chunks: Chunks = Field(
        "off", description="Parts that are encoded side by side: auto (one for every 30 s), 2 to 64, or off."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> TranscodeParams:
        given = [name for name in _RATE_CONTROLS if getattr(self, name) is not None]
        if len(given) > 1 and not _ONE_OF.isdisjoint(given):
            msg = f"{' and '.join(given)} exclude each other; give one"
            raise ValueError(msg)
        if self.preset_file is None:
            # A preset is known here and now, so a contradiction shows before anything is submitted.
            codec = self.profile().video.codec
            if (self.quality_level or self.target_vmaf) and codec not in _SCALED:
                msg = f"a {codec} encode has no quality to choose; use {', '.join(sorted(_SCALED))}"
                raise ValueError(msg)
        return self

    def profile(self) -> Profile:
        """The preset's profile with the options given here.

        Raises:
            CallerError: the preset file cannot be read, or is no profile.
        """
        given = {
            _PLACES.get(name, name): value
            for name, value in self
            if value is not None and name not in _NOT_OF_A_PROFILE
        }
        if self.preset_file is None:
            return preset_profile(PRESETS[self.preset], given)
        try:
            return preset_profile(_read(self.preset_file), given)
        except ValidationError as problem:
            first = problem.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise CallerError(
                f"{self.preset_file.name} is no preset: {where}: {first['msg']}.",
                code="bad-preset",
                fix="Compare it with the presets in the reference.",
            ) from problem


_ONE_OF: Final = frozenset({"quality_level", "target_vmaf"})
_RATE_CONTROLS: Final = ("quality", "quality_level", "target_vmaf", "bitrate", "target_size")
_SCALED: Final = frozenset({"h264", "hevc", "av1", "vp9"})
"""Codecs with a quality scale that is calibrated."""
_NOT_OF_A_PROFILE: Final = _ONE_OF | {
    "preset",
    "preset_file",
    "check_quality",
    "chunks",
    "encoder",
    "fallback",
}
_VIDEO: Final = [
    "variant",
    "quality",
    "bitrate",
    "max_bitrate",
    "speed",
    "keyframe_interval_s",
    "pix_fmt",
    "width",
    "height",
    "fraction",
    "fit",
    "upscale",
    "crop",
    "square_pixels",
    "deinterlace",
    "frame_rate",
    "cfr",
    "colour",
    "colour_range",
    "tone_map",
    "lut",
    "burn_in",
    "encoder_options",
]
_PLACES: Final[Mapping[str, str]] = {
    **{name: f"video.{name}" for name in _VIDEO},
    "video": "video.codec",
    "audio": "audio.codec",
    "audio_bitrate": "audio.bitrate",
    "audio_tracks": "audio.tracks",
    **{name: f"audio.{name}" for name in ("sample_rate", "layout", "loudness", "true_peak")},
    "start_timecode": "timecode",
}
"""Where an option is in a profile; the rest are at its top."""


def _read(file: Asset) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - only a preset file needs it; YAML reads JSON too

    try:
        data = yaml.safe_load(Path(file.path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CallerError(
            f"the preset file {file.name} cannot be read: {error}.",
            code="bad-preset",
            fix="Write YAML or JSON.",
        ) from error
    if not isinstance(data, dict):
        raise CallerError(
            f"the preset file {file.name} holds no options.",
            code="bad-preset",
            fix="Write `video: {codec: h264}` and so on.",
        )
    return data


class TranscodeResult(Result):
    """A transcode and what is known of it."""

    transcoded: Output
    frames: int
    duration_s: float
    encoder: str
    size_bytes: int
    quality: float | None = None
    """The value that a quality level or a target VMAF became, on the encoder's own scale."""
    predicted_vmaf: float | None = None
    """Mean VMAF to expect: on average of a level, of this clip of a target."""
    measured_vmaf: float | None = None
    """Mean VMAF of samples of the result."""
    notes: tuple[str, ...] = ()


@function(version="1", resources=Resources(cpu=2, memory="2GiB"), retries=2)
def transcode(clip: Asset, params: TranscodeParams, ctx: Context) -> TranscodeResult:
    """Transcode a clip to a named preset, verified frame by frame against its source."""
    out = ctx.output(f"{clip.stem}{EXTENSIONS[params.profile().container]}")
    chosen = choose(clip, params, ctx)
    for note in chosen.notes:
        ctx.warn(note)
    made = ctx.encode(
        clip,
        out,
        chosen.profile,
        promise=chosen.promise,
        check=params.check_quality,
        chunks=params.chunks,
        encoder=params.encoder,
        fallback=params.fallback,
    )
    return TranscodeResult(
        transcoded=out,
        frames=made.frames,
        duration_s=made.duration_s,
        encoder=made.encoder,
        size_bytes=made.size_bytes,
        quality=chosen.quality,
        predicted_vmaf=chosen.predicted_vmaf,
        measured_vmaf=made.quality.measured.vmaf if made.quality else None,
        notes=(*chosen.notes, *made.warnings),
    )
