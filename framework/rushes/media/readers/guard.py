"""What may be opened, and how: only regular files, only plain media formats, only from disk, within limits.

Names are given to ffmpeg as ``file:/absolute/path``, so that ``a:b.mov``, ``-y`` and ``concat:x`` are names.
`-protocol_whitelist file` alone does not stop a playlist from reading its neighbours (measured: HLS, DASH and
concat do); the list of demuxers does. The same lists are given to PyAV. This module must not decode anything.
"""

from __future__ import annotations

import errno
import os
import stat
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from rushes.asset import Asset, ImageSequence
from rushes.errors import CallerError, MediaError
from rushes.media.readers import handed
from rushes.media.readers.formats import DEMUXERS, IMAGE_SUFFIXES
from rushes.media.readers.sequence_rate import ASSUMED_RATE

__all__ = [
    "DEMUXERS",
    "IMAGE_SUFFIXES",
    "MAX_ALLOC_BYTES",
    "MAX_PIXELS",
    "MAX_STREAMS",
    "av_arguments",
    "av_options",
    "check_source",
    "input_args",
    "output_args",
]

# 17K cinema cameras make 17520×8040 = 141 Mpx; the 31 kB PNG that unpacks to 1.5 GB has 256 Mpx.
MAX_PIXELS: Final = 150_000_000
# A master with 16 mono tracks, subtitles in every language and attached fonts stays far below; a file with
# 990 streams is made to hurt.
MAX_STREAMS: Final = 256
# Of one block. A 652-byte mp4 can ask for an index of 1.6 GB; a frame of 17520×8040 rgba64 needs 1.13 GB.
MAX_ALLOC_BYTES: Final = 1_200_000_000

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def check_source(source: Asset | str | os.PathLike[str]) -> None:
    """Pass if `source` is a regular, readable file with something in it, or a sequence of such files.

    A symbolic link to a file is fine: it is how people bring their footage together.

    Raises:
        CallerError: it is missing, no file, unreadable, or a link that leads nowhere.
        MediaError: it is empty.
    """
    asset = Asset.of(source)
    if asset.sequence is not None and not asset.path.exists():
        _check_sequence(asset.sequence)
    else:
        _check_file(asset.path)


def input_args(
    source: Asset | str | os.PathLike[str],
    probed_format: str | None = None,
    *,
    frame_rate: Fraction | str | None = None,
    start_number: int | None = None,
) -> list[str]:
    """The options and ``-i`` with which ffmpeg opens `source`, and nothing else.

    Args:
        source: a local file or an image sequence.
        probed_format: the demuxer's name as PyAV found it, where known: ``mov,mp4,…`` or ``png_pipe``.
        frame_rate: pictures a second of an image sequence; None for those that are assumed.
        start_number: first picture of a sequence; None for its own first.
    """
    asset = Asset.of(source)
    limits = ["-protocol_whitelist", "file", "-max_pixels", str(MAX_PIXELS)]
    limits += ["-max_streams", str(MAX_STREAMS), "-max_alloc", str(MAX_ALLOC_BYTES)]
    sequence = asset.sequence
    if sequence is not None and not asset.path.exists():
        first = sequence.first if start_number is None else start_number
        rate = _rate(frame_rate)
        picture = [
            "-f",
            "image2",
            "-format_whitelist",
            "image2",
            "-framerate",
            rate,
            "-start_number",
            str(first),
        ]
        return [*limits, *picture, "-i", f"file:{_absolute(sequence.printf_pattern)}"]
    if _is_picture(asset, probed_format):
        picture = ["-f", "image2", "-format_whitelist", "image2", "-pattern_type", "none"]
        if frame_rate is not None:
            picture += ["-framerate", _rate(frame_rate)]
        return [*limits, *picture, "-i", f"file:{_absolute(asset.path)}"]
    return [*limits, "-format_whitelist", ",".join(DEMUXERS), "-i", f"file:{_absolute(asset.path)}"]


def output_args(path: str | os.PathLike[str]) -> list[str]:
    """How ffmpeg names one output file, the last words of its command.

    A picture's name is taken as it is; a numbered sequence is written by ``["file:" + pattern]`` instead.
    """
    target = f"file:{_absolute(path)}"
    if Path(path).suffix.lower() in IMAGE_SUFFIXES:
        # Without it image2 counts up in any "%03d" of the name and warns of a name without one.
        return ["-update", "1", target]
    return [target]


def av_options() -> dict[str, str]:
    """The same limits for ``av.open(path, options=…)``."""
    return {
        "protocol_whitelist": handed.protocol(),
        "format_whitelist": ",".join(DEMUXERS),
        "max_streams": str(MAX_STREAMS),
        "max_pixels": str(MAX_PIXELS),
    }


def av_arguments(
    source: Asset | str | os.PathLike[str], *, frame_rate: Fraction | str | None = None
) -> dict[str, Any]:
    """Keyword arguments of ``av.open`` for `source`: ``av.open(**av_arguments(clip))``."""
    asset = Asset.of(source)
    options = av_options()
    sequence = asset.sequence
    if sequence is not None and not handed.is_handed() and not asset.path.exists():
        options |= {
            "format_whitelist": "image2",
            "framerate": _rate(frame_rate),
            "start_number": str(sequence.first),
        }
        return {"file": f"file:{_absolute(sequence.printf_pattern)}", "format": "image2", "options": options}
    if _is_picture(asset, None):
        options |= {"format_whitelist": "image2", "pattern_type": "none"}
        return {"file": handed.url_of(_absolute(asset.path)), "format": "image2", "options": options}
    return {"file": handed.url_of(_absolute(asset.path)), "options": options}


def _check_file(path: Path) -> None:
    status = _status(path)
    for is_kind, kind in _KINDS:
        if is_kind(status.st_mode):
            raise CallerError(
                f"{path} is {kind}, not a media file.", code="not-a-file", fix="Name a regular file."
            )
    _check_readable(path)
    if status.st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes).", code="empty", fix="Copy it from the source again.")


def _check_sequence(sequence: ImageSequence) -> None:
    folder = Path(sequence.directory)
    if not stat.S_ISDIR(_status(folder).st_mode):
        raise CallerError(f"{folder} is not a folder.", code="not-a-file", fix="Check the sequence's path.")
    found = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _frame_of(entry.name, sequence) is None:
                    continue
                found += 1
                # A pipe or a device among the pictures would stop the reader for good.
                if not entry.is_file():
                    _check_file(Path(entry.path))
    except PermissionError as error:
        raise _unreadable(folder) from error
    if not found:
        raise CallerError(
            f"No picture of {sequence.path(sequence.first).name} to {sequence.path(sequence.last).name} "
            f"is in {folder}.",
            code="not-found",
            fix="Check the sequence's name, padding and range.",
        )


def _frame_of(name: str, sequence: ImageSequence) -> int | None:
    if not (name.startswith(sequence.prefix) and name.endswith(sequence.suffix)):
        return None
    digits = name[len(sequence.prefix) : len(name) - len(sequence.suffix)]
    if not digits.isdecimal() or len(digits) < sequence.padding:
        return None
    frame = int(digits)
    return frame if sequence.first <= frame <= sequence.last else None


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError as error:
        if path.is_symlink():
            raise CallerError(
                f"{path} is a link to {path.readlink()}, which is not there.",
                code="dangling-link",
                fix="Mend the link or name the file itself.",
            ) from error
        raise CallerError(f"{path} is not there.", code="not-found", fix="Check the path.") from error
    except PermissionError as error:
        raise _unreadable(path) from error
    except NotADirectoryError as error:
        raise CallerError(f"{path} lies below a file.", code="not-found", fix="Check the path.") from error
    except (OSError, ValueError) as error:
        # ELOOP has no exception class of its own; ValueError is a NUL in the name.
        if getattr(error, "errno", None) == errno.ELOOP:
            message, code = f"{path} is a link that leads back to itself.", "link-loop"
        else:
            message, code = f"{path} cannot be opened: {error}.", "not-found"
        raise CallerError(message, code=code, fix="Name the file itself.") from error


def _check_readable(path: Path) -> None:
    try:
        # O_NONBLOCK: should the file have become a pipe since, opening it must not wait.
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except PermissionError as error:
        raise _unreadable(path) from error
    except OSError as error:
        raise CallerError(
            f"{path} cannot be opened: {error.strerror}.", code="not-readable", fix="Check the disk it is on."
        ) from error


def _unreadable(path: Path) -> CallerError:
    return CallerError(
        f"{path} may not be read.", code="not-readable", fix="Give this user the right to read it."
    )


def _is_picture(asset: Asset, probed_format: str | None) -> bool:
    if probed_format is not None:
        return probed_format == "image2" or probed_format.endswith("_pipe")
    return asset.suffix in IMAGE_SUFFIXES


def _rate(frame_rate: Fraction | str | None) -> str:
    return str(ASSUMED_RATE if frame_rate is None else frame_rate)


def _absolute(path: str | os.PathLike[str]) -> str:
    # Not `resolve`: the name that the user gave is the one that messages show.
    return os.path.abspath(os.fspath(path))  # noqa: PTH100
