"""Descriptions for people and for other programs: a table, one clip in detail, CSV.

Pure but for the width of the terminal, which the caller gives. Text from files is a stranger's: control
characters are shown as escapes, in every format.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from rushes.media.describing.schema import AudioStream, MediaInfo, VideoStream
from rushes.printing import printable
from rushes.units import format_duration, format_size

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["CSV_COLUMNS", "as_csv", "as_csv_row", "as_text", "frame_count"]


def frame_count(info: MediaInfo) -> int | None:
    """Frames of the picture: counted, else declared, else duration times rate; None for sound alone."""
    picture = info.primary_video
    if picture is None:
        return None
    known = picture.frames_counted if not info.is_sequence else None
    known = known or picture.frames_declared
    if known is not None:
        return known
    seconds = picture.duration_s or info.duration_s
    return round(seconds * picture.fps) if seconds and picture.fps else None


# -- CSV ------------------------------------------------------------------------------------------------

_OF_CLIP: Final = ("name", "format", "size_bytes", "duration_s", "bit_rate")
# Column and attribute of the picture, of its colour, and of the first sound track.
_OF_PICTURE: Final = {
    "video_codec": "codec", "video_profile": "profile", "video_level": "level", "width": "width",
    "height": "height", "sar": "sar", "dar": "dar", "rotation": "rotation", "frame_rate": "frame_rate",
    "rate_mode": "rate_mode", "field_order": "field_order", "pix_fmt": "pix_fmt", "bit_depth": "bit_depth",
    "chroma_location": "chroma_location",
}  # fmt: skip
_OF_COLOUR: Final = ("primaries", "transfer", "matrix", "range")
_OF_ORIGIN: Final = ("hdr", "frames", "timecode", "reel", "camera", "audio_tracks")
_OF_SOUND: Final = {
    "audio_codec": "codec", "audio_channels": "channels", "audio_layout": "layout",
    "sample_rate": "sample_rate", "audio_bit_depth": "bit_depth",
}  # fmt: skip
CSV_COLUMNS: Final = (
    *_OF_CLIP, *_OF_PICTURE, *_OF_COLOUR, *_OF_ORIGIN, *_OF_SOUND, "checksum", "warnings", "path"
)  # fmt: skip


def as_csv_row(info: MediaInfo, path: str = "") -> list[str]:
    """One clip's values under `CSV_COLUMNS`; the first sound track stands for all."""
    picture = info.primary_video
    sound = info.audio[0] if info.audio else None
    box, checksum = info.container, info.checksum
    values: list[Any] = [info.name, box.format, box.size_bytes, info.duration_s, box.bit_rate]
    values += [getattr(picture, name, None) for name in _OF_PICTURE.values()]
    values += [getattr(picture.color, name) if picture else None for name in _OF_COLOUR]
    values += [
        picture.hdr.format if picture and picture.hdr else None,
        frame_count(info),
        info.timecode.value if info.timecode else None,
        info.reel,
        _camera(info),
        len(info.audio),
    ]
    values += [getattr(sound, name, None) for name in _OF_SOUND.values()]
    values += [
        f"{checksum.algorithm}:{checksum.value}" if checksum else None,
        " | ".join(info.warnings),
        path,
    ]
    return ["" if value is None else printable(str(value)) for value in values]


def as_csv(infos: Sequence[MediaInfo], paths: Sequence[str] = (), *, header: bool = True) -> str:
    """RFC 4180 text of many clips, with a header line or without; `paths` says where each is, if known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(CSV_COLUMNS)
    known = paths or [""] * len(infos)
    writer.writerows(as_csv_row(info, path) for info, path in zip(infos, known, strict=True))
    return text.getvalue()


# -- tables ---------------------------------------------------------------------------------------------


def _told_apart(infos: Sequence[MediaInfo], paths: Sequence[str]) -> list[str]:
    """The clips' names; their paths below the folder that all share, where two names are alike."""
    names = [info.name for info in infos]
    if len(set(names)) == len(names) or not paths:
        return names
    parts = [path.split("/") for path in paths]
    shared = next((n for n, level in enumerate(zip(*parts, strict=False)) if len(set(level)) > 1), 0)
    return ["/".join(one[min(shared, len(one) - 1) :]) for one in parts]


def as_text(infos: Sequence[MediaInfo], paths: Sequence[str] = (), *, width: int, colour: bool) -> str:
    """A table in `width` columns, with or without ANSI colours: one clip in detail, or several, a row each.

    Where two names are alike, `paths` tells them apart.
    What a narrow terminal has no room for folds, then the clips' size and length are left out, then long
    names fold, then lines get longer than the terminal: no value is ever cut short.
    """
    from rich.console import Console  # noqa: PLC0415 - only where a table is wanted

    text = io.StringIO()
    console = Console(
        file=text,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        emoji=False,
        color_system="standard" if colour else None,
    )
    if len(infos) == 1:
        console.print(_detail(infos[0]), markup=False)
        return _without_blanks(text.getvalue())
    names = _told_apart(infos, paths)
    rows = [_row(info, name) for info, name in zip(infos, names, strict=True)]
    widths = _widths(rows, width)
    # A terminal that is too narrow for what cannot give way gets longer lines: no value is cut short.
    # The blank at the end of each line is taken off.
    console.width = max(width, _total(widths.values())) + 1
    console.print(_table(rows, widths), markup=False)
    return _without_blanks(text.getvalue())


def _without_blanks(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


_BETWEEN: Final = 2
"""Blanks for each column of the table, its left edge's shared out."""
_FOLDING: Final = {"sound", "warnings"}
_LEAST_NAMES: Final = (24, 16)
"""What a long name keeps at least, for a row is found by it; and where nothing else can give way."""
_LEFT_OUT: Final = (frozenset[str](), frozenset({"size"}), frozenset({"size", "length"}))
"""Columns to leave out, the least loss first."""


def _widths(rows: Sequence[dict[str, str]], width: int) -> dict[str, int]:
    """The columns to show, and how wide each is: what may fold gives way, then columns, then names."""
    from rich.cells import cell_len  # noqa: PLC0415

    silent = set() if any(row["warnings"] for row in rows) else {"warnings"}
    most = {name: max(cell_len(printable(row[name])) for row in (*rows, {name: name})) for name in rows[0]}
    word = {
        name: max(
            cell_len(word) for row in (*rows, {name: name}) for word in printable(row[name]).split() or [""]
        )
        for name in _FOLDING
    }
    steps = [(gone, _LEAST_NAMES[0]) for gone in _LEFT_OUT] + [(_LEFT_OUT[-1], _LEAST_NAMES[1])]
    for gone, kept in steps:
        shown = [name for name in rows[0] if name not in gone | silent]
        least = {name: min(word.get(name, most[name]), kept) for name in shown}
        if _total(least.values()) <= width:
            break
    spare = max(width - _total(least.values()), 0)
    for name in shown:
        more = min(most[name] - least[name], spare)
        least[name] += more
        spare -= more
    return least


def _total(widths: Iterable[int]) -> int:
    return sum(width + _BETWEEN for width in widths) - 1


def _table(rows: Sequence[dict[str, str]], widths: dict[str, int]) -> RenderableType:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, width in widths.items():
        style = "yellow" if name == "warnings" else ""
        # rich would cut the one column to spare the other: it is told each width.
        table.add_column(name, width=width, overflow="fold", style=style)
    for row in rows:
        table.add_row(*(Text(printable(row[name])) for name in widths))
    return table


def _row(info: MediaInfo, name: str) -> dict[str, str]:
    picture = info.primary_video
    return {
        "clip": name,
        "length": _length(info),
        "size": format_size(info.container.size_bytes),
        "picture": _shape(picture) if picture else "–",
        "rate": _rate(picture) if picture else "–",
        "codec": (picture.codec or "?") if picture else info.container.format,
        "sound": _sound(info.audio),
        "timecode": info.timecode.value if info.timecode else "–",
        "warnings": ", ".join(w.partition(":")[0] for w in info.warnings),
    }


def _detail(info: MediaInfo) -> RenderableType:
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _facts(info):
        grid.add_row(name, Text(printable(value)))
    warnings = [Text(f"! {printable(w)}", style="yellow") for w in info.warnings]
    return Group(Text(printable(info.name), style="bold cyan"), grid, *warnings)


def _facts(info: MediaInfo) -> Iterator[tuple[str, str]]:
    box = info.container
    rate = f", {box.bit_rate / 1e6:.2f} Mb/s" if box.bit_rate else ""
    pattern = f" {box.operational_pattern}" if box.operational_pattern else ""
    yield "file", f"{box.format}{pattern}, {format_size(box.size_bytes)}, {_length(info)}{rate}"
    if info.sequence is not None:
        yield "frames", f"{info.sequence.first}-{info.sequence.last}, {info.sequence.frames} there"
    for track in info.video:
        yield from _picture_facts(track)
    for sound in info.audio:
        yield "sound", _one_sound(sound)
    for subtitle in info.subtitles:
        yield "subtitles", " ".join(filter(None, (subtitle.codec, subtitle.language, subtitle.title)))
    yield from _origin_facts(info)


def _picture_facts(track: VideoStream) -> Iterator[tuple[str, str]]:
    if track.attached_picture:
        yield "cover", f"{track.codec} {track.width}×{track.height}"
        return
    turned = f", turned {track.rotation}°" if track.rotation else ""
    yield "picture", f"{_codec(track)}, {_shape(track)} ({track.dar}){turned}, {track.pix_fmt}"
    yield "", f"{_rate(track)} by {track.rate_decided_by}, {track.field_order}"
    if colour := _colour(track):
        yield "", colour


def _origin_facts(info: MediaInfo) -> Iterator[tuple[str, str]]:
    if info.timecode:
        yield "timecode", f"{info.timecode.value} ({info.timecode.source})"
    for name, value in (("reel", info.reel), ("camera", _camera(info)), ("created", info.container.created)):
        if value:
            yield name, value
    if info.chapters:
        yield "chapters", str(len(info.chapters))
    if info.attachments:
        yield "attached", ", ".join(a.filename or a.mime_type or "?" for a in info.attachments)
    if info.checksum:
        yield info.checksum.algorithm, info.checksum.value


def _length(info: MediaInfo) -> str:
    frames = frame_count(info)
    if info.duration_s is None:
        return f"{frames} frames" if frames else "–"
    return format_duration(info.duration_s)


def _shape(track: VideoStream) -> str:
    return f"{track.width}×{track.height}"


def _rate(track: VideoStream) -> str:
    if track.frame_rate is None:
        return "no rate"
    rate = Fraction(track.frame_rate)
    shown = f"{float(rate):.3f}".rstrip("0").rstrip(".")
    return f"{shown} {track.rate_mode}" if track.rate_mode != "unknown" else shown


def _codec(track: VideoStream) -> str:
    words = (track.codec, track.profile, f"@{track.level}" if track.level else None)
    return " ".join(filter(None, words))


def _colour(track: VideoStream) -> str:
    colour = track.color
    words = [colour.primaries, colour.transfer, colour.matrix, colour.range, track.hdr and track.hdr.format]
    if track.chroma_location:
        words.append(f"chroma {track.chroma_location}")
    return " ".join(word for word in words if word)


def _sound(tracks: Sequence[AudioStream]) -> str:
    if not tracks:
        return "–"
    first = f"{tracks[0].codec} {tracks[0].layout or f'{tracks[0].channels} ch'}"
    return first if len(tracks) == 1 else f"{len(tracks)} × {first}"


def _one_sound(sound: AudioStream) -> str:
    depth = f", {sound.bit_depth} bit" if sound.bit_depth else ""
    language = f", {sound.language}" if sound.language else ""
    layout = sound.layout or ("mono" if sound.channels == 1 else f"{sound.channels} channels")
    return f"{sound.codec} {layout}, {sound.sample_rate} Hz{depth}{language}"


def _camera(info: MediaInfo) -> str | None:
    if info.camera is None:
        return None
    return " ".join(filter(None, (info.camera.make, info.camera.model))) or None
