"""What is known of one clip: the documented, versioned shape that `inspect` returns.

Every field is described here and published as a JSON schema in the documentation. Units are in the names:
seconds, bytes, bits per second. Rates and ratios are exact, written ``24000/1001`` and ``16:9``. A value that
the file does not state is None, never a guess. This module must not know how anything is found out.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "SCHEMA_VERSION",
    "Attachment",
    "AudioStream",
    "Camera",
    "Chapter",
    "Checksum",
    "Colour",
    "Container",
    "ContentLight",
    "DataStream",
    "DolbyVision",
    "Edit",
    "Encryption",
    "FieldOrder",
    "HdrMetadata",
    "MasteringDisplay",
    "MediaInfo",
    "RateMode",
    "SequenceInfo",
    "SubtitleStream",
    "Timecode",
    "VideoStream",
]

# Raised when a field is removed, renamed or changes its meaning or unit; added fields leave it alone.
SCHEMA_VERSION: Final = 1

FieldOrder = Literal["progressive", "tt", "bb", "tb", "bt", "unknown"]
RateMode = Literal["cfr", "vfr", "unknown"]

RateDecision = Literal[
    "sample-table",
    "average-equals-nominal",
    "average-differs-from-nominal",
    "first-packets",
    "edit-rate",
    "sequence",
    "packet-scan",
    "single-frame",
    "undecided",
]


class _Part(BaseModel):
    """A frozen part of the description; unknown fields of a newer writer are ignored."""

    # Built on first use: whoever submits an inspection imports these models and never validates one.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Colour(_Part):
    """How code values become light (ITU-T H.273 names, as ffmpeg writes them)."""

    primaries: str | None = Field(None, description="Colour primaries, e.g. bt709, bt2020, smpte432.")
    transfer: str | None = Field(
        None, description="Transfer, e.g. bt709, smpte2084 (PQ), arib-std-b67 (HLG)."
    )
    matrix: str | None = Field(None, description="Matrix coefficients, e.g. bt709, bt2020nc, gbr.")
    range: Literal["limited", "full"] | None = Field(
        None, description="Code value range: limited (video levels) or full."
    )


class MasteringDisplay(_Part):
    """SMPTE ST 2086: the display on which the picture was graded."""

    red: tuple[float, float] | None = Field(None, description="CIE 1931 x, y of the red primary.")
    green: tuple[float, float] | None = Field(None, description="CIE 1931 x, y of the green primary.")
    blue: tuple[float, float] | None = Field(None, description="CIE 1931 x, y of the blue primary.")
    white: tuple[float, float] | None = Field(None, description="CIE 1931 x, y of the white point.")
    min_luminance: float | None = Field(None, description="Darkest level in cd/m².")
    max_luminance: float | None = Field(None, description="Brightest level in cd/m².")


class ContentLight(_Part):
    """CTA-861.3: how bright the content is."""

    max_cll: int = Field(description="Brightest pixel in cd/m².")
    max_fall: int = Field(description="Brightest frame average in cd/m².")


class DolbyVision(_Part):
    """The Dolby Vision configuration record of the container."""

    version: str = Field(description="Version of the record, e.g. 1.0.")
    profile: int = Field(description="Profile number, e.g. 5, 7, 8.")
    level: int = Field(description="Level number.")
    rpu: bool = Field(description="Dynamic metadata (RPU) is in the stream.")
    enhancement_layer: bool = Field(description="An enhancement layer is in the stream.")
    base_layer: bool = Field(description="A base layer is in the stream.")
    compatibility: int = Field(description="Base layer compatibility: 0 none, 1 HDR10, 2 SDR, 4 HLG.")


class HdrMetadata(_Part):
    """High dynamic range, as declared by transfer and side data."""

    format: Literal["hdr10", "hdr10+", "hlg", "pq", "dolby-vision"] = Field(
        description="hdr10: PQ with mastering or light level data; pq: PQ without; dolby-vision beats both."
    )
    mastering: MasteringDisplay | None = Field(None, description="Mastering display colour volume (ST 2086).")
    content_light: ContentLight | None = Field(None, description="Content light level (MaxCLL, MaxFALL).")
    dolby_vision: DolbyVision | None = Field(None, description="Dolby Vision configuration.")
    dynamic_metadata: bool | None = Field(
        None, description="HDR10+ dynamic metadata found; None when frames were not read to look for it."
    )


class Edit(_Part):
    """One entry of an edit list: what part of the stream is shown, when."""

    duration_s: float = Field(description="Length on the presentation's time line in seconds.")
    media_start_s: float | None = Field(description="Where it starts in the stream in seconds; None: a gap.")
    rate: float = Field(1.0, description="Speed; 0 holds a frame.")


class Timecode(_Part):
    """The timecode of the first frame."""

    value: str = Field(description="HH:MM:SS:FF, with a semicolon before FF when frames are dropped.")
    drop_frame: bool = Field(description="Drop-frame counting.")
    rate: str | None = Field(None, description="Frames a second that it counts at, e.g. 24000/1001.")
    source: Literal["tmcd", "mxf", "dv", "tag"] = Field(description="Where it was found.")
    stream: int | None = Field(None, description="Index of the stream that carries it, if one does.")


class _Stream(_Part):
    index: int = Field(description="Index of the stream in the container, from 0.")
    codec: str | None = Field(
        None, description="Codec name as ffmpeg writes it, e.g. h264, prores, pcm_s24le."
    )
    codec_tag: str | None = Field(None, description="The container's own code for it, e.g. avc1, apch.")
    language: str | None = Field(None, description="ISO 639 code; None when undetermined.")
    title: str | None = Field(None, description="The stream's title or handler name.")
    dispositions: list[str] = Field(default_factory=list, description="default, forced, dub, comment, …")
    start_s: float | None = Field(None, description="When the first frame is shown, in seconds.")
    duration_s: float | None = Field(None, description="Declared duration in seconds.")
    bit_rate: int | None = Field(None, description="Bits per second.")
    encrypted: bool = Field(False, description="The samples are encrypted.")  # noqa: FBT003
    edits: list[Edit] = Field(default_factory=list, description="Edit list; empty when there is none.")
    tags: dict[str, str] = Field(default_factory=dict, description="The stream's other tags.")


class VideoStream(_Stream):
    """One picture track (or a cover picture: see `attached_picture`)."""

    profile: str | None = Field(None, description="Codec profile, e.g. High, Main 10, HQ.")
    level: str | None = Field(None, description="Codec level as its standard writes it, e.g. 4.1.")
    width: int = Field(description="Width in pixels, before rotation.")
    height: int = Field(description="Height in pixels, before rotation.")
    sar: str = Field("1:1", description="Sample (pixel) aspect ratio.")
    dar: str | None = Field(None, description="Display aspect ratio, before rotation.")
    rotation: int = Field(0, description="Degrees clockwise to turn for display: 0, 90, 180 or 270.")
    flipped: bool = Field(False, description="The display matrix mirrors the picture too.")  # noqa: FBT003
    frame_rate: str | None = Field(
        None, description="Frames a second to work with: nominal when constant, e.g. 24000/1001, 25/1."
    )
    nominal_rate: str | None = Field(
        None, description="Lowest rate at which every timestamp can be told exactly (ffmpeg's r_frame_rate)."
    )
    average_rate: str | None = Field(None, description="Frames divided by duration.")
    rate_mode: RateMode = Field("unknown", description="Constant (cfr) or variable (vfr) frame rate.")
    rate_decided_by: RateDecision = Field("undecided", description="How `rate_mode` was decided.")
    field_order: FieldOrder = Field(
        "unknown", description="progressive, or fields coded and shown: tt, bb, tb, bt (t: top first)."
    )
    pix_fmt: str | None = Field(None, description="Pixel format as ffmpeg writes it, e.g. yuv422p10le.")
    bit_depth: int | None = Field(None, description="Bits of the deepest component.")
    chroma_subsampling: str | None = Field(None, description="4:2:0, 4:2:2, 4:4:4 …; None for RGB and grey.")
    alpha: bool = Field(False, description="The pixel format has an alpha plane.")  # noqa: FBT003
    chroma_location: str | None = Field(
        None, description="left, center, topleft, top, bottomleft, bottom; None when not stated."
    )
    color: Colour = Field(default_factory=Colour, description="Colour description.")
    hdr: HdrMetadata | None = Field(None, description="HDR description; None for SDR.")
    frames_declared: int | None = Field(None, description="Frames that the container says it holds.")
    frames_counted: int | None = Field(None, description="Frames (packets) that were counted, on request.")
    has_b_frames: bool = Field(False, description="Frames are reordered.")  # noqa: FBT003
    attached_picture: bool = Field(
        False,  # noqa: FBT003
        description="A cover or thumbnail, not a picture track.",
    )
    stereo_mode: str | None = Field(None, description="Stereoscopic packing, if stated.")
    projection: str | None = Field(None, description="Spherical projection, if stated.")

    @property
    def fps(self) -> Fraction | None:
        """`frame_rate` as an exact number."""
        return Fraction(self.frame_rate) if self.frame_rate else None

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height as shown: square pixels, turned upright."""
        num, _, den = self.sar.partition(":")
        width = round(self.width * Fraction(int(num), int(den or 1)))
        return (self.height, width) if self.rotation in {90, 270} else (width, self.height)


class AudioStream(_Stream):
    """One sound track."""

    profile: str | None = Field(None, description="Codec profile, e.g. LC.")
    sample_rate: int | None = Field(None, description="Samples a second.")
    channels: int | None = Field(None, description="Number of channels.")
    layout: str | None = Field(None, description="Channel layout, e.g. mono, stereo, 5.1(side).")
    sample_format: str | None = Field(None, description="Decoded sample format, e.g. fltp, s32.")
    bit_depth: int | None = Field(None, description="Bits a sample for PCM and lossless codecs.")
    frames_declared: int | None = Field(None, description="Packets that the container says it holds.")
    frames_counted: int | None = Field(None, description="Packets that were counted, on request.")


class SubtitleStream(_Stream):
    """One subtitle or caption track."""


class DataStream(_Stream):
    """A track of timecode, telemetry or anything that is not shown."""

    handler: str | None = Field(None, description="Handler type of the container, e.g. tmcd, meta.")


class Chapter(_Part):
    """One chapter."""

    start_s: float = Field(description="Start in seconds.")
    end_s: float = Field(description="End in seconds.")
    title: str | None = Field(None, description="Title.")


class Attachment(_Part):
    """A file carried inside the container, such as a font."""

    index: int = Field(description="Index of the stream that carries it.")
    filename: str | None = Field(None, description="Its name.")
    mime_type: str | None = Field(None, description="Its media type.")
    size_bytes: int | None = Field(None, description="Its size.")


class Camera(_Part):
    """What recorded the clip."""

    make: str | None = Field(None, description="Manufacturer.")
    model: str | None = Field(None, description="Model.")
    serial: str | None = Field(None, description="Serial number.")
    lens: str | None = Field(None, description="Lens.")
    software: str | None = Field(None, description="Firmware or application that wrote the file.")


class Encryption(_Part):
    """That samples are encrypted, and with what; keys are never looked for."""

    schemes: list[str] = Field(default_factory=list, description="cenc, cbcs, … or the container's own word.")
    systems: list[str] = Field(default_factory=list, description="UUIDs of the DRM systems named.")


class Checksum(_Part):
    """A digest of the whole file, on request; of a sequence, of its frames' bytes in order."""

    algorithm: str = Field(description="sha256, sha1, md5 or blake2b.")
    value: str = Field(description="Lower-case hexadecimal.")


class SequenceInfo(_Part):
    """The frames of an image sequence."""

    pattern: str = Field(description="Name of the files, e.g. plate.[1001-1096].exr.")
    first: int = Field(description="First frame number that exists.")
    last: int = Field(description="Last frame number that exists.")
    frames: int = Field(description="Frames that exist.")
    missing: list[tuple[int, int]] = Field(
        default_factory=list, description="Ranges of missing frame numbers, both ends included."
    )
    empty: list[int] = Field(default_factory=list, description="Frames that exist and hold no bytes.")


class Container(_Part):
    """The file itself."""

    format: str = Field(description="mp4, mov, m4a, matroska, webm, mxf, mpegts, wav, dv, image2, …")
    brand: str | None = Field(None, description="Major brand of an ISO base media file, e.g. isom, qt.")
    size_bytes: int = Field(description="Size in bytes; of a sequence, of all its frames.")
    duration_s: float | None = Field(None, description="Declared duration in seconds.")
    start_s: float | None = Field(None, description="Earliest presentation time in seconds.")
    bit_rate: int | None = Field(None, description="Bits per second over all.")
    faststart: bool | None = Field(
        None, description="ISO files: the index comes before the media data; else None."
    )
    fragmented: bool | None = Field(None, description="ISO files: in fragments; else None.")
    operational_pattern: str | None = Field(None, description="MXF: e.g. OP1a, OPAtom.")
    created: str | None = Field(
        None, description="Creation time as written, ISO 8601 where the file says so."
    )


class MediaInfo(_Part):
    """Everything that `describe` found out about one clip."""

    schema_version: int = Field(SCHEMA_VERSION, description="Version of this shape.")
    name: str = Field(description="Name of the file or sequence, without its folder.")
    container: Container = Field(description="The file itself.")
    video: list[VideoStream] = Field(default_factory=list, description="Picture tracks and cover pictures.")
    audio: list[AudioStream] = Field(default_factory=list, description="Sound tracks.")
    subtitles: list[SubtitleStream] = Field(default_factory=list, description="Subtitle tracks.")
    data: list[DataStream] = Field(default_factory=list, description="Timecode, telemetry, other tracks.")
    chapters: list[Chapter] = Field(default_factory=list, description="Chapters in order.")
    attachments: list[Attachment] = Field(default_factory=list, description="Files carried inside.")
    timecode: Timecode | None = Field(None, description="Timecode of the first frame.")
    time_reference_s: float | None = Field(
        None, description="Broadcast Wave: seconds since midnight of the first sample."
    )
    reel: str | None = Field(None, description="Reel or tape name.")
    camera: Camera | None = Field(None, description="What recorded it.")
    encryption: Encryption | None = Field(None, description="Set when anything is encrypted.")
    sequence: SequenceInfo | None = Field(None, description="Set for an image sequence.")
    tags: dict[str, str] = Field(default_factory=dict, description="The container's tags.")
    checksum: Checksum | None = Field(None, description="Digest, on request.")
    warnings: list[str] = Field(
        default_factory=list, description="What looks wrong, each `code: sentence`; see the reference."
    )

    @property
    def duration_s(self) -> float | None:
        """Declared duration in seconds: the container's, else that of the longest track."""
        if self.container.duration_s is not None:
            return self.container.duration_s
        return max((s.duration_s for s in (*self.video, *self.audio) if s.duration_s), default=None)

    @property
    def primary_video(self) -> VideoStream | None:
        """The picture track: the default one, else the largest; never a cover picture."""
        tracks = [v for v in self.video if not v.attached_picture]
        if len(tracks) == 1:
            return tracks[0]
        return max(
            tracks,
            key=lambda v: ("default" in v.dispositions, v.width * v.height, -v.index),
            default=None,
        )

    @property
    def is_sequence(self) -> bool:
        """True for an image sequence."""
        return self.sequence is not None

    @property
    def warning_codes(self) -> frozenset[str]:
        """The codes of `warnings`."""
        return frozenset(w.partition(":")[0] for w in self.warnings)
