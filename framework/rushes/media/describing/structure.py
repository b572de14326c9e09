"""What a container's own headers say and libavformat does not hand on, in one shape for all containers.

The parsers beside this module fill it in; `description` merges it with what PyAV says. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rushes.media.describing.schema import ContentLight, DolbyVision, Edit, MasteringDisplay

__all__ = ["Structure", "Track"]


@dataclass(slots=True)
class Track:
    """One track, as its header describes it."""

    id: int = 0
    kind: str = ""
    """``video``, ``audio``, ``subtitle``, ``data``, or "" when the header does not say."""
    handler: str = ""
    """The container's own word for the kind, e.g. ``vide``, ``tmcd``."""
    rotation: int = 0
    """Degrees clockwise: 0, 90, 180 or 270."""
    flipped: bool = False
    constant_rate: bool | None = None
    """Whether every timestamp lies on a constant rate; None when the headers cannot tell."""
    reordered: bool = False
    """Whether an index puts frames in another order than they are stored in."""
    frame_ns: int | None = None
    """Nominal duration of a frame in nanoseconds."""
    samples: int = 0
    edits: list[Edit] = field(default_factory=list)
    scheme: str | None = None
    """How samples are encrypted, e.g. ``cenc``; None when they are not."""
    chroma_location: str | None = None
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    dolby: DolbyVision | None = None
    projection: str | None = None
    stereo: str | None = None
    timecode_drop: bool | None = None
    timecode_rate: tuple[int, int] | None = None


@dataclass(slots=True)
class Structure:
    """The file as a whole."""

    family: str = ""
    """``iso``, ``matroska``, ``mxf``, or "" for any other."""
    brand: str | None = None
    """Major brand of an ISO file, DocType of a Matroska file."""
    tracks: list[Track] = field(default_factory=list)
    has_index: bool = True
    index_first: bool = False
    fragmented: bool = False
    live: bool = False
    """It was never completed: streamed, still being recorded, or cut off."""
    missing_bytes: int = 0
    """How far its last part reaches past the end of the file."""
    systems: list[str] = field(default_factory=list)
    """UUIDs of DRM systems."""
    impossible: str | None = None
    """A claim that cannot be true and would cost memory to believe."""
