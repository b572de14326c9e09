"""Assets: immutable references to one clip, and the outputs that a function makes of it.

An asset is a file or an image sequence, named by a URI; inside a function's body it is always a local file
(`Asset.path`). This module must not open anything: it only names things.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union

from rushes.errors import CallerError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

__all__ = ["IMAGE_SUFFIXES", "Asset", "AssetLike", "FrameRange", "ImageSequence", "Output"]

# One picture a file: only these make image sequences, so that a movie called "take [1-2].mov" stays a file.
IMAGE_SUFFIXES: Final = frozenset(
    {
        ".ari", ".arx", ".avif", ".bmp", ".cin", ".cr2", ".cr3", ".dng", ".dpx", ".exr", ".gif", ".hdr",
        ".heic", ".heif", ".hif", ".iff", ".j2c", ".j2k", ".jls", ".jp2", ".jpe", ".jpeg", ".jpf",
        ".jpg", ".jpx", ".jxl", ".nef", ".pam", ".pbm", ".pcx", ".pfm", ".pgm", ".pgx", ".pic", ".pict",
        ".png", ".pnm", ".ppm", ".psd", ".qoi", ".ras", ".raw", ".rgb", ".rgba", ".sgi", ".sxr", ".tga",
        ".tif", ".tiff", ".webp", ".xbm", ".xpm", ".xwd",
    }
)  # fmt: skip
_SEQUENCE: Final = re.compile(
    r"(?P<prefix>.*)\[(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})\](?P<suffix>\.[^./\[\]]+)", re.DOTALL
)


# An absolute path without these is in its plain form already: a million of them are looked at.
_NOT_PLAIN: Final = re.compile(r"/(?:/|\.{0,2}(?:/|$))")


AssetLike: TypeAlias = Union["Asset", str, "os.PathLike[str]"]
"""What stands for an asset where one is wanted: itself, a path or a URI."""


@dataclass(frozen=True, slots=True, order=True)
class FrameRange:
    """Half-open frame numbers: `start` is in, `stop` is out.

    Raises:
        CallerError: the range is empty or negative.
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise CallerError(
                f"frame range {self.start}-{self.stop} is empty or negative.",
                code="bad-value",
                fix="Frame ranges are half-open: START-STOP with 0 <= START < STOP.",
            )

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """The frames ``first`` to ``last`` (both in) of files named prefix + padded number + suffix."""

    directory: str
    prefix: str
    suffix: str
    padding: int
    first: int
    last: int

    def path(self, frame: int) -> Path:
        """The file of one frame number; it may be missing from disk."""
        return Path(self.directory) / f"{self.prefix}{frame:0{self.padding}d}{self.suffix}"

    @property
    def printf_pattern(self) -> str:
        """The name as ffmpeg's image2 demuxer reads it, literal per cents doubled."""
        prefix, suffix = self.prefix.replace("%", "%%"), self.suffix.replace("%", "%%")
        return f"{self.directory}/{prefix}%0{self.padding}d{suffix}"

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Asset:
    """An immutable reference to one clip: a file, or an image sequence ``plate.[1001-1096].exr``.

    Args:
        uri: an absolute path, or ``s3://bucket/key``.
        frames: half-open frame range of the clip; None for all of it.
        local: where the bytes are on this machine when that is not `uri` itself.
    """

    uri: str
    frames: FrameRange | None = None
    local: str | None = None

    @classmethod
    def of(cls, value: AssetLike) -> Asset:
        """An asset of a path or URI; relative paths are taken from the current directory."""
        if isinstance(value, Asset):
            return value
        text = os.fspath(value)
        if not text:
            raise CallerError("an empty string names no asset.", code="bad-value", fix="Give a path.")
        if "://" in text[:12] and re.match(r"^[a-z][a-z0-9+.-]*://", text):
            if text.startswith("file://"):
                return cls(os.path.abspath(text[7:]))  # noqa: PTH100 - resolve() would follow symlinks
            return cls(text)
        if text[0] == "/" and not _NOT_PLAIN.search(text):
            return cls(text)
        return cls(os.path.abspath(text))  # noqa: PTH100 - as above

    def with_frames(self, start: int, stop: int) -> Asset:
        """The same clip, limited to the frames from `start` up to but not including `stop`."""
        return replace(self, frames=FrameRange(start, stop))

    @property
    def path(self) -> Path:
        """The local file (for a sequence, its pattern).

        Raises:
            CallerError: the asset is remote and has not been transferred.
        """
        if self.local is not None:
            return Path(self.local)
        if "://" in self.uri[:12]:
            raise CallerError(
                f"{self.uri} is not on this machine.",
                code="not-local",
                fix="Copy it here, or run it with an engine that transfers it.",
            )
        return Path(self.uri)

    @cached_property
    def sequence(self) -> ImageSequence | None:
        """The image sequence that the URI's pattern names, or None for a plain file."""
        match = _SEQUENCE.fullmatch(PurePosixPath(self.local or self.uri).name)
        if match is None or match["suffix"].lower() not in IMAGE_SUFFIXES:
            return None
        first, last = int(match["first"]), int(match["last"])
        if last < first:
            return None
        directory = str(PurePosixPath(self.local or self.uri).parent)
        return ImageSequence(directory, match["prefix"], match["suffix"], len(match["first"]), first, last)

    @property
    def name(self) -> str:
        """The last part of the URI: ``A001.mov``."""
        return self.uri.rsplit("/", 1)[-1]

    @property
    def stem(self) -> str:
        """The name without its extension; of a sequence, without numbers and trailing dots too."""
        if self.sequence is not None:
            return self.sequence.prefix.rstrip("._-") or "sequence"
        name = self.name
        dot = name.rfind(".")
        return name[:dot] if dot > 0 else name

    @property
    def suffix(self) -> str:
        """The extension with its dot, lower case: ``.mov``."""
        dot = self.name.rfind(".")
        return self.name[dot:].lower() if dot > 0 else ""

    def __str__(self) -> str:
        if self.frames is None:
            return self.uri
        return f"{self.uri} [{self.frames.start}-{self.frames.stop})"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 - only when a model names an Asset

        return core_schema.no_info_plain_validator_function(
            _validate_asset,
            serialization=core_schema.plain_serializer_function_ser_schema(_asset_to_json),
            json_schema_input_schema=core_schema.str_schema(),
        )


class Output:
    """One file or directory that a function makes: written at `path`, seen by others at `uri`.

    `path` is in the attempt's scratch folder until the output is published; afterwards, and on the
    caller's side, it is the published place. An `Output` is an ``os.PathLike``.
    """

    __slots__ = ("name", "path", "uri")

    def __init__(self, name: str, path: str | os.PathLike[str], uri: str) -> None:
        self.name = name
        self.path = Path(path)
        self.uri = uri

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Output({self.uri!r})"

    def __str__(self) -> str:
        return self.uri

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Output) and other.uri == self.uri

    def __hash__(self) -> int:
        return hash(self.uri)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 - only when a model names an Output

        return core_schema.no_info_plain_validator_function(
            _validate_output,
            serialization=core_schema.plain_serializer_function_ser_schema(str),
            json_schema_input_schema=core_schema.str_schema(),
        )


def _validate_asset(value: Any) -> Asset:
    if isinstance(value, dict):
        frames = value.get("frames")
        return Asset(str(value["uri"]), FrameRange(*frames) if frames else None)
    if isinstance(value, Asset | str | os.PathLike):
        return Asset.of(value)
    msg = f"expected a path or an Asset, got {type(value).__name__}"
    raise ValueError(msg)


def _asset_to_json(asset: Asset) -> Any:
    if asset.frames is None:
        return asset.uri
    return {"uri": asset.uri, "frames": [asset.frames.start, asset.frames.stop]}


def _validate_output(value: Any) -> Output:
    if isinstance(value, Output):
        return value
    if isinstance(value, str):
        return Output(value.rsplit("/", 1)[-1], value, value)
    msg = f"expected an output or its path, got {type(value).__name__}"
    raise ValueError(msg)
