"""Packages renditions for players: one set of CMAF segments, an HLS and a DASH description of it.

ffmpeg's DASH muxer cuts the segments and writes the manifest; what players are told is checked against the
segments as they were read back, and the HLS playlists are written from that. Nothing is encoded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

from rushes.errors import MediaError, PlatformError
from rushes.media.encoding.verify import ExpectedOutput, verify
from rushes.media.ladders.ladder import LadderPlan
from rushes.media.ladders.manifest import Representation, corrected, read_manifest
from rushes.media.ladders.playlists import Track, master_playlist, media_playlist
from rushes.media.ladders.renditions import MadeLadder, Runner
from rushes.media.ladders.segments import read_segments, start_of
from rushes.media.readers.guard import output_args
from rushes.media.running.process import never

__all__ = ["MANIFEST", "MASTER", "Format", "Package", "package", "segment_frames", "with_sound"]

Format = Literal["hls", "dash"]

MANIFEST: Final = "manifest.mpd"
MASTER: Final = "master.m3u8"
_SEGMENTS: Final = "segments"
_INIT: Final = f"{_SEGMENTS}/$RepresentationID$-init.mp4"
_MEDIA: Final = f"{_SEGMENTS}/$RepresentationID$-$Number%05d$.m4s"
_PRIMING_S: Final = Fraction(15, 100)
_TICK_S: Final = Fraction(1, 1000)
_READ: Final = ("-protocol_whitelist", "file", "-format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2", "-i")


@dataclass(frozen=True, slots=True)
class Package:
    """What was packaged, as it was read back.

    Args:
        pictures, sounds: the tracks, in the plan's order.
        playlists: files that a player is given.
    """

    pictures: tuple[Track, ...]
    sounds: tuple[Track, ...]
    playlists: tuple[str, ...]


def segment_frames(plan: LadderPlan, segment_s: float) -> int:
    """Pictures of a segment: whole groups, the nearest number of them, one at least."""
    return plan.gop_frames * max(1, round(segment_s * plan.rate / plan.gop_frames))


def package(
    made: MadeLadder,
    folder: Path,
    *,
    formats: Collection[Format],
    segment_s: float,
    run: Runner,
    cancelled: Callable[[], bool] = never,
) -> Package:
    """The renditions as segments in `folder`, with the playlists that were asked for.

    Args:
        made: the renditions.
        folder: where the package goes; it exists.
        formats: ``hls``, ``dash`` or both: the segments are the same.
        segment_s: wished length of a segment; whole groups of pictures are what it becomes.
        run: how a command is run.
        cancelled: asked while segments are read.

    Raises:
        PlatformError: what came out is not what was planned.
        Cancelled: somebody said so.
    """
    (folder / _SEGMENTS).mkdir()
    frames = segment_frames(made.plan, segment_s)
    run(package_args(made, folder, frames), made.plan.duration_s)
    manifest = folder / MANIFEST
    try:
        listed = read_manifest(manifest.read_text(encoding="utf-8"))
        pictures, sounds = _tracks(made, folder, listed, cancelled)
    except (OSError, ValueError, MediaError) as error:
        raise _bad(f"cannot be read back: {error}") from error
    for complaint in complaints(made.plan, pictures, sounds, listed, frames=frames):
        raise _bad(complaint)
    tracks = [*pictures, *sounds]
    for complaint in (*_lost_files(folder, listed), *_moved(made, tracks)):
        raise _bad(complaint)
    playlists: list[str] = []
    if "hls" in formats:
        for track in tracks:
            (folder / f"{track.name}.m3u8").write_text(media_playlist(track), encoding="utf-8")
        (folder / MASTER).write_text(master_playlist(pictures, sounds), encoding="utf-8")
        playlists.append(MASTER)
    if "dash" in formats:
        text = corrected(
            manifest.read_text(encoding="utf-8"),
            codecs={n: t.codecs for n, t in enumerate(tracks)},
            bits={n: t.peak_bits for n, t in enumerate(tracks)},
            duration=max(t.segments[-1].start + t.segments[-1].duration for t in tracks),
        )
        manifest.write_text(text, encoding="utf-8")
        playlists.append(MANIFEST)
    else:
        manifest.unlink()
    return Package(pictures, sounds, tuple(playlists))


def package_args(made: MadeLadder, folder: Path, frames: int) -> list[str]:
    """The command that cuts the segments and writes the manifest."""
    plan = made.plan
    names = [*(r.name for r in plan.renditions), *(s.name for s in plan.sounds)]
    args: list[str] = []
    for name in names:
        args += [*_READ, output_args(made.file(name))[-1]]
    for number in range(len(names)):
        args += ["-map", f"{number}:0"]
    # Rounded down: the muxer cuts at the first key frame at or after each multiple of it.
    duration = math.floor(frames / plan.rate * 1_000_000) / 1_000_000
    return [
        *args, "-map_metadata", "-1", "-c", "copy", *_shape(plan), "-y", "-f", "dash",
        "-seg_duration", f"{duration:.6f}",
        "-use_template", "1", "-use_timeline", "1", "-init_seg_name", _INIT, "-media_seg_name", _MEDIA,
        # With +cmaf alone 5.1 shows the picture two frames late: it writes no edit list.
        "-format_options", "movflags=+cmaf:use_editlist=1", "-adaptation_sets", _sets(plan),
        output_args(folder / MANIFEST)[-1],
    ]  # fmt: skip


def _shape(plan: LadderPlan) -> tuple[str, ...]:
    """The largest rung's shape, said of all of them.

    854x480 is not quite 16:9; the muxer refuses to let a player change between pictures of two shapes.
    """
    shapes = [Fraction(r.width, r.height) for r in plan.renditions]
    if len(set(shapes)) == 1:
        return ()
    return ("-aspect:v", f"{shapes[0].numerator}:{shapes[0].denominator}")


def _sets(plan: LadderPlan) -> str:
    """What a player may change between: the rungs of one codec; each sound alone."""
    groups: dict[str, list[int]] = {}
    for number, rendition in enumerate(plan.renditions):
        groups.setdefault(rendition.codec, []).append(number)
    sets = [*groups.values(), *([len(plan.renditions) + n] for n in range(len(plan.sounds)))]
    return " ".join(f"id={n},streams={','.join(map(str, streams))}" for n, streams in enumerate(sets))


def _tracks(
    made: MadeLadder, folder: Path, listed: Sequence[Representation], cancelled: Callable[[], bool]
) -> tuple[tuple[Track, ...], tuple[Track, ...]]:
    plan = made.plan
    if len(listed) != len(plan.renditions) + len(plan.sounds):
        msg = f"the manifest lists {len(listed)} tracks"
        raise ValueError(msg)
    read = [
        read_segments(
            folder / one.init, [folder / s for s in one.segments], folder=folder, cancelled=cancelled
        )
        for one in listed
    ]
    pictures = tuple(
        Track(
            name=rendition.name,
            init=one.init,
            codecs=found.codecs,
            segments=found.segments,
            size=(rendition.width, rendition.height),
            rate=plan.rate,
            video_range=rendition.video_range,
        )
        for rendition, one, found in zip(plan.renditions, listed, read, strict=False)
    )
    sounds = tuple(
        Track(
            name=sound.name,
            init=one.init,
            codecs=found.codecs,
            segments=found.segments,
            language=sound.language,
            channels=sound.channels,
        )
        for sound, one, found in zip(plan.sounds, listed[len(pictures) :], read[len(pictures) :], strict=True)
    )
    return pictures, sounds


def complaints(
    plan: LadderPlan,
    pictures: Sequence[Track],
    sounds: Sequence[Track],
    listed: Sequence[Representation],
    *,
    frames: int,
) -> Iterator[str]:
    """What is wrong with a package, the worst first.

    Args:
        plan: what the renditions are.
        pictures: as they were read back.
        sounds: the same.
        listed: as the manifest says.
        frames: planned pictures of a segment.
    """
    tick = 1 / plan.rate / 2
    first = pictures[0]
    for track in pictures:
        if any(not s.independent for s in track.segments):
            yield f"has a segment of {track.name} that does not start with a key frame"
        *whole, last = (s.frames for s in track.segments)
        if whole != [frames] * len(whole) or not 0 < last <= frames:
            yield f"has segments of {track.name} that are not {frames} pictures long"
        if [(s.start, s.frames) for s in track.segments] != [(s.start, s.frames) for s in first.segments]:
            yield f"has other segments in {track.name} than in {first.name}"
        if abs(track.duration - track.frames / plan.rate) > tick:
            yield f"lasts {float(track.duration):.3f} s in {track.name}, of {track.frames} pictures"
    for track, one in zip([*pictures, *sounds], listed, strict=True):
        told, found = sum(one.durations, Fraction()), track.duration
        if abs(told - found) > Fraction(1, 10):
            yield f"says {float(told):.3f} s of {track.name} and holds {float(found):.3f} s"


def _lost_files(folder: Path, listed: Sequence[Representation]) -> Iterator[str]:
    """Segments that no manifest names; those that are named have been read."""
    named = {name for one in listed for name in (one.init, *one.segments)}
    there = {path.relative_to(folder).as_posix() for path in (folder / _SEGMENTS).iterdir()}
    if there != named:
        yield f"holds {', '.join(sorted(there ^ named)[:3])}, which the manifest does not account for"


def _moved(made: MadeLadder, tracks: Sequence[Track]) -> Iterator[str]:
    """Tracks that do not start when their renditions do: picture and sound would part."""
    for track in tracks:
        was, now = start_of(made.file(track.name)), track.segments[0].start
        # A codec's own silence comes first; an edit list says so, and hides it in a file that is whole.
        lead = _PRIMING_S if track.size is None else 0
        if not was - lead - _TICK_S <= now <= was + _TICK_S:
            yield f"starts {track.name} at {float(now):.3f} s, not at {float(was):.3f} s"


def with_sound(
    made: MadeLadder, folder: Path, *, run: Runner, cancelled: Callable[[], bool] = never
) -> tuple[Path, ...]:
    """Every rendition as a file of its own in `folder`, with all sounds in it: nothing is encoded again.

    Raises:
        PlatformError: a file is not what was planned.
        Cancelled: somebody said so.
    """
    plan = made.plan
    names = [*(r.name for r in plan.renditions), *(s.name for s in plan.sounds)]
    args: list[str] = []
    for name in names:
        args += [*_READ, output_args(made.file(name))[-1]]
    args.append("-y")
    heard = [word for n in range(len(plan.sounds)) for word in ("-map", f"{len(plan.renditions) + n}:0")]
    targets = [folder / f"{rendition.name}.mp4" for rendition in plan.renditions]
    for number, target in enumerate(targets):
        args += ["-map", f"{number}:0", *heard, "-c", "copy", "-map_metadata", "-1"]
        args += ["-movflags", "+faststart", "-f", "mp4", output_args(target)[-1]]
    run(args, plan.duration_s)
    for target, rendition, found in zip(targets, plan.renditions, made.pictures, strict=True):
        expected = ExpectedOutput(
            frames=found.frames,
            tolerance_frames=0,
            has_video=True,
            audio_tracks=len(plan.sounds),
            width=rendition.width,
            height=rendition.height,
        )
        verify(target, expected, cancelled=cancelled)
    return tuple(targets)


def _bad(complaint: str) -> PlatformError:
    return PlatformError(
        f"The package {complaint}.",
        code="bad-output",
        fix="It is made again; if that does not help, try another ffmpeg build.",
        details={"complaint": complaint},
    )
