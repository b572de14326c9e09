"""Editing proxies that relink: what an editor cuts with while the camera files stay on the shelf."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from rushes import Asset, CallerError, Context, Output, Params, Profile, Resources, Result, function
from rushes.media.describing.inspection import describe
from rushes.media.planning.relink import compare, require
from rushes.media.profile import AudioWish, BurnIn, FractionText, RateText, VideoWish
from rushes_functions.encoder_options import ENCODER, FALLBACK, EncoderText, FallbackText
from rushes_functions.presets import EXTENSIONS, Chunks, as_list

__all__ = ["ProxyParams", "ProxyResult", "RelinkField", "proxy"]

DEFAULT_HEIGHT = 540


class ProxyParams(Params):
    """Options of `proxy`."""

    codec: Literal["h264", "hevc", "prores_proxy", "dnxhr_lb"] = Field(
        "h264", description="Codec of the proxy."
    )
    container: Literal["mov", "mp4", "mxf"] = Field(
        "mov", description="Container; mov carries every field that relinking compares, mp4 no reel name."
    )
    height: int | None = Field(
        None,
        ge=64,
        le=4320,
        description=f"Height in pixels, never above the clip's; {DEFAULT_HEIGHT} by default.",
    )
    fraction: FractionText | None = Field(None, description="Size as a fraction of the clip's: 1/2, 1/4.")
    quality: float | None = Field(
        None, ge=0, le=51, description="Constant quality of h264 (23) and hevc (26); lower is better."
    )
    lut: Asset | None = Field(None, description="A .cube look-up table to see the picture through.")
    burn_in: Annotated[tuple[BurnIn, ...], BeforeValidator(as_list)] = Field(
        (), description="What to burn in: name, timecode, frame; several with commas."
    )
    cfr: bool = Field(default=False, description="Make a variable frame rate constant.")
    frame_rate: RateText | None = Field(
        None, description="Rate of an image sequence; of a clip, the constant rate to convert it to."
    )
    tone_map: Literal["off", "hable", "mobius", "reinhard", "clip"] = Field(
        "off", description="Show an HDR clip as SDR, by this curve."
    )
    square_pixels: bool = Field(default=False, description="Desqueeze anamorphic pixels.")
    audio: Literal["auto", "aac", "pcm", "none"] = Field(
        "auto", description="Sound: every track and channel is kept; auto is AAC for h264/hevc, else PCM."
    )
    on_damage: Literal["fail", "salvage"] = Field(
        "fail", description="A damaged clip fails, or is saved as far as it decodes."
    )
    verify: Literal["packets", "full"] = Field(
        "packets", description="How thoroughly the proxy is read back."
    )
    threads: int = Field(2, ge=1, le=64, description="Threads; part of what makes a repeat identical.")
    encoder: EncoderText | None = Field(None, description=ENCODER)
    fallback: FallbackText | None = Field(None, description=FALLBACK)
    chunks: Chunks = Field(
        "off", description="Parts that are encoded side by side: auto (one for every 30 s), 2 to 64, or off."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> ProxyParams:
        if self.height is not None and self.fraction is not None:
            msg = "height and fraction exclude each other; give one"
            raise ValueError(msg)
        if self.container == "mxf" and self.codec != "dnxhr_lb":
            msg = f"a {self.codec} proxy goes into mov or mp4, not mxf"
            raise ValueError(msg)
        if self.container == "mp4" and self.codec in {"prores_proxy", "dnxhr_lb"}:
            msg = f"a {self.codec} proxy goes into mov, not mp4"
            raise ValueError(msg)
        return self

    def profile(self) -> Profile:
        """The encode that these options ask for."""
        height = self.height if self.height or self.fraction else DEFAULT_HEIGHT
        return Profile(
            container=self.container,
            video=VideoWish(
                **_CODECS[self.codec] | ({"quality": self.quality} if self._takes_quality() else {}),
                height=height,
                fraction=self.fraction,
                upscale="skip",
                square_pixels=self.square_pixels,
                lut=self.lut,
                burn_in=self.burn_in,
                cfr=self.cfr,
                frame_rate=self.frame_rate,
                tone_map=self.tone_map,
            ),
            audio=AudioWish(codec="pcm_s16le" if self.audio == "pcm" else self.audio),
            subtitles="drop",
            on_damage=self.on_damage,
            verify=self.verify,
            threads=self.threads,
        )

    def _takes_quality(self) -> bool:
        if self.quality is None:
            return False
        if self.codec in {"h264", "hevc"}:
            return True
        raise CallerError(
            f"a {self.codec} proxy has no quality to choose.", code="bad-option", fix="Leave quality out."
        )


_CODECS: dict[str, dict[str, Any]] = {
    # A key frame every half second and a bitstream that decodes easily: editors scrub, they do not stream.
    "h264": {
        "codec": "h264", "quality": 23, "speed": "veryfast", "keyframe_interval_s": 0.5,
        "decodes_easily": True,
    },
    "hevc": {
        "codec": "hevc", "quality": 26, "speed": "veryfast", "keyframe_interval_s": 0.5,
        "decodes_easily": True,
    },
    "prores_proxy": {"codec": "prores", "variant": "proxy"},
    "dnxhr_lb": {"codec": "dnxhr", "variant": "lb"},
}  # fmt: skip


class RelinkField(Result):
    """One field that relinking compares, checked on the finished proxy."""

    field: str
    value: str


class ProxyResult(Result):
    """A proxy and what it was checked for."""

    proxy: Output
    frames: int
    duration_s: float
    width: int
    height: int
    rate: str | None
    timecode: str | None
    reel: str | None
    audio_channels: list[int]
    encoder: str
    size_bytes: int
    relinks_by: list[RelinkField]


@function(version="1", resources=Resources(cpu=2, memory="2GiB"), retries=2)
def proxy(clip: Asset, params: ProxyParams, ctx: Context) -> ProxyResult:
    """Make an editing proxy that relinks: same name, timecode, rate, frames, audio channels and reel."""
    source = describe(clip)
    out = ctx.output(f"{clip.stem}{EXTENSIONS[params.container]}")
    made = ctx.encode(
        clip,
        out,
        params.profile(),
        chunks=params.chunks,
        encoder=params.encoder,
        fallback=params.fallback,
    )
    result = describe(out.path)
    checks = compare(source, result, made.expected, stem=clip.stem, name=out.path.stem)
    require(checks)
    picture = result.primary_video
    return ProxyResult(
        proxy=out,
        frames=made.frames,
        duration_s=made.duration_s,
        width=picture.width if picture else 0,
        height=picture.height if picture else 0,
        rate=picture.frame_rate if picture else None,
        timecode=result.timecode.value if result.timecode else None,
        reel=result.reel,
        audio_channels=[a.channels or 0 for a in result.audio],
        encoder=made.encoder,
        size_bytes=made.size_bytes,
        relinks_by=[RelinkField(field=c.field, value=c.found) for c in checks],
    )
