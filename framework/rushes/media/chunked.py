"""One long clip encoded in parts side by side on one host: cut, encode the parts, stitch, verify.

What cannot be cut is encoded whole, and the result says why. Whether and where to cut is `cutting`, one part
is `one_chunk`, the joints are `stitch`; this module only does.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rushes.asset import Asset, Output
from rushes.errors import MediaError, PlatformError
from rushes.media import chunk_commands as commands
from rushes.media.box import weakest
from rushes.media.builds import Build, find_build
from rushes.media.capability import CPU
from rushes.media.chunk_mux import mux_command, sound_command
from rushes.media.chunks import Chunk, Uncuttable, timeline
from rushes.media.crew import run_together
from rushes.media.cutting import Clip, cut
from rushes.media.device_graph import HERE, Spot
from rushes.media.dialect import classify, damage_in
from rushes.media.encode import Encoded, _expected, encode
from rushes.media.fallback import Tried
from rushes.media.guard import check_source, output_args
from rushes.media.inspection import describe
from rushes.media.one_chunk import encode_chunk, scratch
from rushes.media.passes import measure_loudness
from rushes.media.process import Supervision, ToolRun, check, run_ffmpeg
from rushes.media.profile import Profile
from rushes.media.schema import MediaInfo
from rushes.media.stitch import Part, check_part, stitch
from rushes.media.verify import verify

__all__ = ["encode_chunked"]

_REDONE: Final = frozenset({"bad-chunk", "killed", "crashed", "tool-failed"})
"""What a second try of one part may mend; a lack of memory or disk it does not."""


@dataclass
class _Log:
    """What was run, and what the caller should know."""

    runs: list[ToolRun] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def encode_chunked(
    source: Asset,
    target: Output | Path,
    profile: Profile,
    *,
    chunks: int | None = None,
    parallel: int | None = None,
    supervision: Supervision | None = None,
    build: Build | None = None,
    info: MediaInfo | None = None,
    spot: Spot = HERE,
) -> Encoded:
    """Encode `source` into `target` in parts side by side, as exact as `encode` would in one piece.

    Every frame of the source is in the result once, at its own time. A part that comes out wrong is made
    again alone; parts that are finished stay in the attempt's folder and are not made again within it.

    Args:
        source: the clip.
        target: the file to write; nothing is there afterwards when this raises.
        profile: what the result should be; its `threads` is how many parts run at once, unless `parallel` is.
        chunks: how many parts, at most; None for as many as its length and `parallel` make worth while.
        parallel: how many at once, each on one thread.
        supervision: limits, progress, cancellation and log, of all parts together.
        build: the ffmpeg to use; None for the one that the environment names.
        info: a description of `source`, where the caller has one already.
        spot: the family and device that encode all parts: those of two encoders do not fit together.

    Raises:
        CallerError: the profile does not fit the source; nothing has run.
        MediaError: the source is damaged, truncated or holds no such media.
        PlatformError: this machine could not do it, or the result is not what was planned.
    """
    supervision = supervision or Supervision()
    check_source(source)
    info = info or describe(source)
    build = build or find_build()
    parallel = parallel or profile.threads
    began = time.monotonic()
    try:
        clip = cut(
            source,
            profile,
            build=build,
            info=info,
            chunks=chunks,
            parallel=parallel,
            target=Path(target),
            supervision=supervision,
            spot=spot,
        )
    except Uncuttable as reason:
        made = encode(source, target, profile, supervision=supervision, build=build, info=info)
        return replace(made, warnings=(*made.warnings, f"encoded whole: {reason}"))
    path = Path(target)
    log = _Log([], [*commands.warnings_of(profile)])
    with _folders(supervision, clip) as (kept, own):
        try:
            _make(clip, kept, log, supervision=replace(supervision, cwd=own), parallel=parallel)
            expected = _expected(clip.whole, source, clip.truth, salvages=False)
            verification = verify(path, expected, profile.verify, cancelled=supervision.cancelled)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    seconds = time.monotonic() - began
    device = CPU if spot.family == "software" else f"{spot.family}:{spot.index}"
    encoder = clip.whole.encoder
    tried = Tried(spot.family, device, encoder, "made", decoder=spot.decoder, seconds=round(seconds, 3))
    return Encoded(
        frames=verification.frames or 0,
        duration_s=verification.duration_s or 0.0,
        encoder=encoder,
        tried=(tried,),
        argv=log.runs[-1].argv,
        seconds=seconds,
        cpu_s=sum(run.cpu_s for run in log.runs),
        size_bytes=path.stat().st_size,
        build=build.facts(),
        verification=verification.to_dict(),
        expected=clip.whole.expected,
        warnings=(*clip.whole.warnings, *log.warnings),
        commands=tuple(run.argv for run in log.runs),
        box=weakest(run.box for run in log.runs),
        family=spot.family,
    )


# -- the work -----------------------------------------------------------------------------------------------


def _make(clip: Clip, kept: Path, log: _Log, *, supervision: Supervision, parallel: int) -> None:
    """Encode what is not there yet, stitch, and write the result."""
    suffix = commands.HELD_IN[clip.profile.video.codec]
    places = [kept / f"{number:04d}.{suffix}" for number in range(len(clip.plan.chunks))]
    loudness = measure_loudness(
        clip.info,
        clip.profile,
        clip.build,
        source=clip.source,
        opened=clip.opened,
        supervision=replace(supervision, on_progress=None),
        runs=log.runs,
    )
    heard = kept / "sound.mov"
    sound = sound_command(
        clip.info,
        clip.profile,
        start_us=clip.index.start_us,
        input_args=clip.opened,
        target=output_args(heard)[-1],
        loudness=loudness,
    )
    # The longest first: a short one at the end leaves the others idle for a short time only.
    order = sorted(range(len(places)), key=lambda n: -len(clip.plan.chunks[n]))
    jobs = [_part_job(clip, number, places[number], log) for number in order]
    if sound.args is not None:
        jobs.append(_sound_job(clip, sound.args, log))
    found = run_together(jobs, parallel=parallel, supervision=supervision, frames=clip.plan.frames)
    parts = [part for _, part in sorted((n, p) for n, p in zip(order, found, strict=False) if p is not None)]
    times, unit = timeline(clip.index, clip.plan.rate)
    stitched = kept / f"stitched.{suffix}"
    stitch(parts, stitched, times, unit, cancelled=supervision.cancelled)
    container = clip.profile.container
    args = mux_command(
        clip.info,
        clip.whole,
        sound,
        rate=clip.plan.rate,
        start_us=clip.index.start_us,
        input_args=clip.opened,
        picture=output_args(stitched)[-1],
        heard=output_args(heard)[-1] if sound.args is not None else None,
        tag=_tag(clip, parts[0]) if container in {"mov", "mp4"} else None,
        encoder=parts[0].encoder,
    )
    quiet = replace(supervision, on_progress=None)
    run = run_ffmpeg(clip.build, args, supervision=quiet)
    log.runs.append(check(run, clip.build.major))


def _tag(clip: Clip, part: Part) -> str:
    """The sample entry that the plan names, else the one that the encoder's own file has."""
    args = clip.whole.passes[-1]
    return args[args.index("-tag:v") + 1] if "-tag:v" in args else part.tag


def _part_job(clip: Clip, number: int, place: Path, log: _Log) -> Callable[[Supervision], Part | None]:
    def job(supervision: Supervision) -> Part | None:
        finished = _finished(place, number, clip)
        if finished is not None:
            return finished
        part = _with_second_try(clip, number, place, supervision, log)
        place.unlink(missing_ok=True)
        part.path.rename(place)
        return replace(part, path=place)

    return job


def _finished(place: Path, number: int, clip: Clip) -> Part | None:
    """A part that an earlier call in this attempt has finished; a broken one is thrown away."""
    if not place.exists():
        return None
    try:
        return check_part(place, number, clip.plan, clip.index)
    except PlatformError:
        place.unlink()
        return None


def _with_second_try(clip: Clip, number: int, place: Path, supervision: Supervision, log: _Log) -> Part:
    aside = place.with_name(f"{place.stem}.part{place.suffix}")

    def make(*, seeks: bool) -> Part:
        part, run = encode_chunk(
            clip.source,
            clip.profile,
            clip.plan,
            number,
            aside,
            build=clip.build,
            supervision=supervision,
            info=clip.info,
            index=clip.index,
            spot=clip.spot,
            seeks=seeks,
        )
        log.runs.append(run)
        return part

    chunk = clip.plan.chunks[number]
    try:
        return make(seeks=True)
    except (PlatformError, MediaError) as error:
        if not _may_mend(error, chunk):
            raise
        log.warnings.append(f"chunk {number} was made again: {error.message}")
    # From the beginning of the file: slower, and it cannot enter at a wrong place.
    return make(seeks=False)


def _may_mend(error: PlatformError | MediaError, chunk: Chunk) -> bool:
    # Entered amid a group of pictures, a whole file may look damaged.
    return error.code in _REDONE or (error.code == "damaged" and chunk.seek_us is not None)


def _sound_job(clip: Clip, args: tuple[str, ...], log: _Log) -> Callable[[Supervision], Part | None]:
    def job(supervision: Supervision) -> Part | None:
        run = run_ffmpeg(clip.build, args, supervision=replace(supervision, on_progress=None))
        log.runs.append(check(run, clip.build.major))
        if clip.profile.on_damage == "fail" and damage_in(run) is not None:
            raise classify(run, clip.build.major)
        return None

    return job


# -- folders ------------------------------------------------------------------------------------------------


@contextmanager
def _folders(supervision: Supervision, clip: Clip) -> Iterator[tuple[Path, Path]]:
    """Where finished parts are kept until the result is there, and a folder of this call's own.

    Within an attempt's scratch the first has a name that follows from what is encoded, so that a second call
    finds what the first had finished.
    """
    with scratch(supervision.cwd) as own:
        if supervision.cwd is None:
            yield own, own
            return
        kept = supervision.cwd / f"chunks-{_digest(clip)}"
        kept.mkdir(exist_ok=True)
        yield kept, own
        shutil.rmtree(kept, ignore_errors=True)


def _digest(clip: Clip) -> str:
    status = clip.source.path.stat()
    facts = (
        str(clip.source.path),
        str(status.st_size),
        str(status.st_mtime_ns),
        clip.profile.model_dump_json(),
        clip.plan.to_json(),
        repr(clip.spot),
        *(str(value) for value in clip.build.facts().values()),
    )
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
