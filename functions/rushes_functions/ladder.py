"""A ladder of renditions for streaming: every size from one decode, packaged for HLS and DASH."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from rushes import Asset, Context, Output, Params, Resources, Result, function
from rushes.media.ladders.packaging import Package, package, with_sound
from rushes.media.ladders.renditions import MadeLadder
from rushes.media.ladders.rungs import Ladder, LadderCodec, Rung
from rushes.media.ladders.segments import codecs_of
from rushes.media.ladders.still_branches import Stills
from rushes.media.profile import AudioWish, BitRate, RateText
from rushes_functions.encoder_options import ENCODER, FALLBACK, EncoderText, FallbackText
from rushes_functions.presets import as_list
from rushes_functions.running import through

__all__ = ["LadderParams", "LadderResult", "RenditionResult", "SoundResult", "ladder"]

_RUNG: Final = re.compile(r"(\d{2,4})p?(?::(\d+(?:\.\d+)?[kM]?))?")
_ENCODING: Final = 0.95
"""The share of the whole that the encode is: what follows copies."""


_BITS: Final = TypeAdapter(BitRate)


def _rung_text(value: str) -> str:
    if _RUNG.fullmatch(value) is None:
        msg = f"{value!r} is no rung; expected lines, or lines and a bit rate: 720, 720:3M"
        raise ValueError(msg)
    return value


def _numbers_to_text(value: object) -> object:
    """``1080`` alone is read as a number by YAML and by JSON."""
    if isinstance(value, int):
        return (str(value),)
    listed = as_list(value)
    return tuple(str(one) for one in listed) if isinstance(listed, list | tuple) else listed


RungText = Annotated[str, AfterValidator(_rung_text)]


class LadderParams(Params):
    """Options of `ladder`."""

    rungs: Annotated[tuple[RungText, ...], BeforeValidator(_numbers_to_text)] = Field(
        ("1080", "720", "480", "360", "240"),
        min_length=1,
        max_length=16,
        description="Lines of each rung, with commas; 720:3M gives one a bit rate. None is above the clip.",
    )
    codec: Annotated[tuple[LadderCodec, ...], BeforeValidator(as_list)] = Field(
        ("h264",), min_length=1, description="h264, hevc, av1; several with commas make every rung in each."
    )
    quality: float | None = Field(
        None, ge=0, le=63, description="Constant quality of rungs without a bit rate; lower is better."
    )
    speed: str | None = Field(None, description="The encoder's preset: veryfast, medium; 0-13 for AV1.")
    gop_s: float = Field(2.0, gt=0, le=20, description="Seconds between key frames, on every rung.")
    segment_s: float = Field(
        6.0, gt=0, le=60, description="Seconds of a segment, rounded to whole groups of pictures."
    )
    package: Annotated[tuple[Literal["hls", "dash", "files"], ...], BeforeValidator(as_list)] = Field(
        ("hls", "dash"),
        min_length=1,
        description="hls, dash (of the same segments), files (an mp4 a rung); several with commas.",
    )
    hdr: Literal["auto", "keep", "tone-map"] = Field(
        "auto", description="An HDR clip: kept where every codec has 10 bits, else shown as SDR."
    )
    frame_rate: RateText | None = Field(
        None, description="Rate of an image sequence; of a clip, the constant rate to convert it to."
    )
    audio: Literal["aac", "none"] = Field("aac", description="Sound, encoded once for all rungs.")
    audio_bitrate: BitRate | None = Field(None, description="Bits a second of each sound track.")
    audio_tracks: Annotated[tuple[int, ...] | None, BeforeValidator(as_list)] = Field(
        None, description="Which sound tracks, counted from 0; several with commas; the first when left out."
    )
    thumbnails: float | None = Field(None, gt=0, le=3600, description="A picture every so many seconds.")
    contact_sheet: str | None = Field(
        None,
        pattern=r"^[1-9]\d?x[1-9]\d?$",
        examples=["4x4"],
        description="COLUMNSxROWS: one picture of pictures, spread over the clip.",
    )
    still_height: int = Field(180, ge=32, le=2160, description="Height of thumbnails in pixels.")
    still_format: Literal["jpg", "png"] = Field("jpg", description="Format of thumbnails and contact sheet.")
    verify: Literal["packets", "full"] = Field(
        "packets", description="How thoroughly every rendition is read back."
    )
    check_quality: bool = Field(
        default=False, description="Measure the VMAF of samples of every rung, and say what it is."
    )
    encoder: EncoderText | None = Field(None, description=ENCODER)
    fallback: FallbackText | None = Field(None, description=FALLBACK)
    threads: int = Field(2, ge=1, le=64, description="Threads of the decoder and of each encoder.")

    @model_validator(mode="after")
    def _is_consistent(self) -> LadderParams:
        if len(set(self.codec)) != len(self.codec):
            msg = f"codec names something twice: {', '.join(self.codec)}"
            raise ValueError(msg)
        if self.speed is not None and "av1" in self.codec and len(self.codec) > 1:
            msg = "speed has other names for av1 than for h264 and hevc; leave it out, or make two ladders"
            raise ValueError(msg)
        return self

    def ladder(self) -> Ladder:
        """The ladder that these options ask for."""
        columns, _, rows = (self.contact_sheet or "").partition("x")
        return Ladder(
            rungs=tuple(self._rung(text, codec) for text in self.rungs for codec in self.codec),
            gop_s=self.gop_s,
            speed=self.speed,
            audio=AudioWish(
                codec=self.audio,
                bitrate=self.audio_bitrate if self.audio != "none" else None,
                tracks=self.audio_tracks,
            ),
            hdr=self.hdr,
            frame_rate=self.frame_rate,
            stills=Stills(
                every_s=self.thumbnails,
                columns=int(columns) if columns else None,
                rows=int(rows) if rows else None,
                height=self.still_height,
                kind=self.still_format,
            ),
            threads=self.threads,
        )

    def _rung(self, text: str, codec: LadderCodec) -> Rung:
        lines, _, bits = text.partition(":")
        bitrate = _BITS.validate_python(bits) if bits else None
        quality = self.quality if bitrate is None else None
        return Rung(int(lines.removesuffix("p")), bitrate=bitrate, quality=quality, codec=codec)


class RenditionResult(Result):
    """One rung, as it was measured."""

    name: str
    width: int
    height: int
    codecs: str
    encoder: str
    frames: int
    bit_rate: int
    peak_bit_rate: int | None
    """Of the largest segment; None where there are none."""
    size_bytes: int


class SoundResult(Result):
    """One sound track, as it was measured."""

    name: str
    codecs: str
    channels: int | None
    language: str | None
    bit_rate: int


class LadderResult(Result):
    """A ladder in its folder, and what is known of it."""

    folder: Output
    renditions: list[RenditionResult]
    sounds: list[SoundResult]
    playlists: list[str]
    files: list[str]
    frames: int
    duration_s: float
    rate: str
    key_frame_every: int
    segments: int
    thumbnails: int
    contact_sheet: str | None
    notes: list[str]


@function(version="1", resources=Resources(cpu=2, memory="4GiB"), retries=2, tools=["ffmpeg"])
def ladder(clip: Asset, params: LadderParams, ctx: Context) -> LadderResult:
    """Make renditions of every size from one decode, verified, packaged for HLS and DASH."""
    out = ctx.output(clip.stem)
    made = ctx.renditions(
        clip,
        params.ladder(),
        ctx.scratch / "renditions",
        stills_folder=out.path,
        level=params.verify,
        share=_ENCODING,
        check=params.check_quality,
        encoder=params.encoder,
        fallback=params.fallback,
    )
    packaged, files = _packaged(made, params, out.path, ctx)
    return _result(out, made, packaged, files)


def _packaged(
    made: MadeLadder, params: LadderParams, folder: Path, ctx: Context
) -> tuple[Package | None, tuple[Path, ...]]:
    run = through(ctx, _ENCODING, 1.0)
    wished: list[Literal["hls", "dash"]] = [one for one in params.package if one != "files"]
    packaged = None
    if wished:
        packaged = package(
            made,
            folder,
            formats=wished,
            segment_s=params.segment_s,
            run=run,
            cancelled=lambda: ctx.cancelled,
        )
    files: tuple[Path, ...] = ()
    if "files" in params.package:
        files = with_sound(made, folder, run=run, cancelled=lambda: ctx.cancelled)
    return packaged, files


def _result(out: Output, made: MadeLadder, packaged: Package | None, files: Sequence[Path]) -> LadderResult:
    plan = made.plan
    pictures = {track.name: track for track in packaged.pictures} if packaged else {}
    heard = {track.name: track for track in packaged.sounds} if packaged else {}
    renditions = []
    for planned, found in zip(plan.renditions, made.pictures, strict=True):
        file = made.file(planned.name)
        track, size = pictures.get(planned.name), file.stat().st_size
        renditions.append(
            RenditionResult(
                name=planned.name,
                width=planned.width,
                height=planned.height,
                codecs=track.codecs if track else codecs_of(file),
                encoder=planned.encoder,
                frames=found.frames or 0,
                bit_rate=track.average_bits if track else _bits(size, found.duration_s),
                peak_bit_rate=track.peak_bits if track else None,
                size_bytes=size,
            )
        )
    sounds = []
    for sound, found in zip(plan.sounds, made.sounds, strict=True):
        file, track = made.file(sound.name), heard.get(sound.name)
        sounds.append(
            SoundResult(
                name=sound.name,
                codecs=track.codecs if track else codecs_of(file),
                channels=sound.channels,
                language=sound.language,
                bit_rate=track.average_bits if track else _bits(file.stat().st_size, found.duration_s),
            )
        )
    return LadderResult(
        folder=out,
        renditions=renditions,
        sounds=sounds,
        playlists=list(packaged.playlists) if packaged else [],
        files=[file.name for file in files],
        frames=renditions[0].frames,
        duration_s=float(renditions[0].frames / plan.rate),
        rate=str(plan.rate),
        key_frame_every=plan.gop_frames,
        segments=len(packaged.pictures[0].segments) if packaged else 0,
        thumbnails=made.thumbnails,
        contact_sheet=made.sheet,
        notes=list(made.warnings),
    )


def _bits(size_bytes: int, duration_s: float | None) -> int:
    return round(size_bytes * 8 / duration_s) if duration_s else 0
