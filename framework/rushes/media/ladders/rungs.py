"""Which rungs a ladder has for one source, and what each of them should be.

Nothing is enlarged: a rung above the source is left out. Size, bits and dynamic range are decided here, for
all rungs at once. Pure; it must not know filters or encoders' options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal

from rushes.errors import CallerError
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.encoders import VIDEO_ENCODERS, rows_of
from rushes.media.ladders.still_branches import Stills
from rushes.media.planning import colour, geometry
from rushes.media.profile import AudioWish, Profile, VideoWish

__all__ = [
    "Ladder",
    "LadderCodec",
    "Rung",
    "depth_of_all",
    "kept_rungs",
    "rung_names",
    "rung_profile",
    "sound_profile",
]

LadderCodec = Literal["h264", "hevc", "av1"]

_WIDEST: Final = Fraction(16, 9)
"""A rung is a box of this shape: 1080 is 1920x1080, and a 2.40:1 picture in it is 1920x800."""
_PEAK: Final = Fraction(3, 2)
"""Peak over average of a rung with a bit rate: what a player's two-second buffer rides out."""
_CAPPED: Final = frozenset({"h264", "hevc"})
"""SVT-AV1 takes a cap beside a quality only."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One size of the ladder.

    Args:
        height: lines of a 16:9 box that the picture has to fit into; of a portrait picture, its columns.
        bitrate: average bits a second; None for a constant quality.
        quality: on the codec's own scale; None for its usual one.
        codec: of this rung.
    """

    height: int
    bitrate: int | None = None
    quality: float | None = None
    codec: LadderCodec = "h264"

    @property
    def box(self) -> tuple[int, int]:
        """Width and height of the box, lying."""
        return 2 * round(self.height * _WIDEST / 2), self.height


@dataclass(frozen=True, slots=True)
class Ladder:
    """What a ladder should be.

    Args:
        rungs: in any order; those above the source are left out.
        gop_s: seconds between key frames, on every rung.
        speed: the encoders' preset; None for the usual one of each.
        audio: the sound, encoded once; its first track unless others are named.
        hdr: ``keep``, ``tone-map``, or ``auto``: keep where every codec of the ladder can hold it.
        frame_rate: rate of an image sequence, or the constant rate to convert to.
        stills: pictures that are taken beside.
        threads: of the decoder, and of each encoder.
    """

    rungs: tuple[Rung, ...]
    gop_s: float = 2.0
    speed: str | None = None
    audio: AudioWish = field(default_factory=lambda: AudioWish(codec="aac"))
    hdr: Literal["auto", "keep", "tone-map"] = "auto"
    frame_rate: str | None = None
    stills: Stills = field(default_factory=Stills)
    threads: int = 2


def kept_rungs(stream: VideoStream, ladder: Ladder) -> tuple[list[Rung], list[str]]:
    """The rungs that do not enlarge the picture, the largest first, and what is said of the others."""
    if not ladder.rungs:
        raise CallerError("a ladder has one rung at least.", code="bad-option", fix="Name heights: 720,360.")
    ordered = sorted(ladder.rungs, key=lambda r: -r.height)
    size = geometry.plan_geometry(stream, VideoWish(square_pixels=True), even=(True, True))
    lying = max(size.width, size.height), min(size.width, size.height)
    kept: list[Rung] = []
    above: list[Rung] = []
    for rung in ordered:
        # Strictly within the box on both sides, an odd line that was cut off aside.
        enlarges = lying[0] + 1 < rung.box[0] and lying[1] + 1 < rung.box[1]
        (above if enlarges else kept).append(rung)
    warnings = [
        f"the rung of {r.height} lines is left out: the source has {size.width}x{size.height}" for r in above
    ]
    if not kept:
        kept = [rung for rung in above if rung.height == above[-1].height]
        said = f"the rung of {kept[0].height} lines keeps the source's {size.width}x{size.height}"
        warnings[-len(kept) :] = [said]
    seen: set[tuple[str, int]] = set()
    for rung in kept:
        if (rung.codec, rung.height) in seen:
            raise CallerError(
                f"the ladder names {rung.height} lines of {rung.codec} twice.",
                code="bad-option",
                fix="Name each size once a codec.",
            )
        seen.add((rung.codec, rung.height))
    return kept, warnings


def depth_of_all(stream: VideoStream, ladder: Ladder) -> dict[str, str]:
    """Bits and dynamic range, decided for all rungs: one picture is scaled for all of them."""
    codecs = {rung.codec for rung in ladder.rungs}
    deep = all(
        any(e.codec == codec and e.family == "software" and e.deep for e in VIDEO_ENCODERS)
        for codec in codecs
    )
    is_hdr = stream.color.transfer in colour.HDR_TRANSFERS
    if ladder.hdr == "keep" and is_hdr and not deep:
        raise CallerError(
            f"hdr=keep needs a codec of 10 bits on every rung; this ladder has {', '.join(sorted(codecs))}.",
            code="bad-option",
            fix="Use hevc or av1, or hdr=tone-map.",
        )
    if is_hdr and (ladder.hdr == "tone-map" or not deep):
        return {"pix_fmt": "yuv420p", "tone_map": "hable"}
    return {"pix_fmt": "yuv420p10le" if deep and (stream.bit_depth or 8) > 8 else "yuv420p"}


def rung_profile(rung: Rung, ladder: Ladder, stream: VideoStream, depth: Mapping[str, str]) -> Profile:
    """What a rung should be of a source.

    Args:
        rung: of these.
        ladder: which it belongs to.
        stream: the source's picture, which may stand.
        depth: what `depth_of_all` decided.
    """
    lying = rung.box
    width, height = stream.display_size
    width, height = lying if width >= height else (lying[1], lying[0])
    wish = {
        "codec": rung.codec,
        # Said, not left to the encoder: what is usual of one is another quality on another's scale.
        "quality": rung.quality if rung.bitrate or rung.quality is not None else _usual_quality(rung.codec),
        "bitrate": rung.bitrate,
        "max_bitrate": round(rung.bitrate * _PEAK) if rung.bitrate and rung.codec in _CAPPED else None,
        "speed": ladder.speed,
        "keyframe_interval_s": ladder.gop_s,
        "width": width,
        "height": height,
        "upscale": "skip",
        "square_pixels": True,
        "deinterlace": "on",
        "frame_rate": ladder.frame_rate,
        "cfr": True,
        **depth,
    }
    return Profile(
        container="mp4",
        video=VideoWish.model_validate(wish),
        audio=ladder.audio,
        subtitles="drop",
        metadata="drop",
        timecode="drop",
        reel="drop",
        faststart=False,
        threads=ladder.threads,
    )


def _usual_quality(codec: LadderCodec) -> float | None:
    row = next((row for row in rows_of(codec, "software")), None)
    return row.quality.default if row is not None and row.quality is not None else None


def sound_profile(profile: Profile, info: MediaInfo) -> Profile:
    """The wish for the sound: the first track unless others are named, in stereo at most unless wished.

    A camera file has up to sixteen tracks; what a player is offered is one programme.
    """
    wish = profile.audio
    chosen = wish.tracks if wish.tracks is not None or not info.audio else (0,)
    picked = [a for n, a in enumerate(info.audio) if chosen is None or n in chosen]
    wide = any((a.channels or 2) > 2 for a in picked)
    layout = "stereo" if wish.layout == "keep" and wish.codec != "none" and wide else wish.layout
    return profile.model_copy(update={"audio": wish.model_copy(update={"tracks": chosen, "layout": layout})})


def rung_names(rungs: Sequence[Rung]) -> list[str]:
    """``720p``; ``720p-hevc`` in a ladder of several codecs."""
    mixed = len({r.codec for r in rungs}) > 1
    return [f"{r.height}p-{r.codec}" if mixed else f"{r.height}p" for r in rungs]
