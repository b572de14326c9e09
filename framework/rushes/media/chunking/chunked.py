"""One long clip encoded in parts: cut, have the parts made, stitch, verify; and what is done when that fails.

Whether and where to cut is `cutting`, one part is `one_chunk`, who makes them is `makers`, the joints are
`stitch`. What cannot be cut is encoded whole, and the result says why. This module must not know where parts
are made.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rushes.asset import Asset, Output
from rushes.media.chunking import chunk_commands as commands
from rushes.media.chunking.chunk_mux import ChunkSound, mux_command
from rushes.media.chunking.chunk_sound import SOUND, plan_sound
from rushes.media.chunking.chunks import Uncuttable, timeline
from rushes.media.chunking.cutting import Clip, Ground, cut, survey
from rushes.media.chunking.kept_parts import digest_of, digest_of_parts, kept_folders
from rushes.media.chunking.made_again import checked
from rushes.media.chunking.makers import Makers, SideBySide
from rushes.media.chunking.one_chunk import PartMade
from rushes.media.chunking.part_cards import Cards, TeamTurns, teams_of
from rushes.media.chunking.stitch import CheckedPart, stitch
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.devices.fallback import Tried, warning_of
from rushes.media.devices.tries import Try
from rushes.media.encoding.encode import AS_IT_IS, USUAL, Encoded, build_of, encode, expected_of
from rushes.media.encoding.means import Means, WishSpelling
from rushes.media.encoding.trying import first_that_works
from rushes.media.encoding.verify import verify
from rushes.media.planning.wanted import wanted_of
from rushes.media.profile import Profile
from rushes.media.readers.guard import check_source, output_args
from rushes.media.running.box import weakest
from rushes.media.running.builds import Build, find_build
from rushes.media.running.process import Supervision, ToolRun, check, run_ffmpeg

__all__ = ["encode_chunked"]


@dataclass
class _Log:
    """What was run, which parts were made, and what the caller should know."""

    runs: list[ToolRun] = field(default_factory=list)
    parts: list[PartMade] = field(default_factory=list)
    sounds: list[PartMade] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    folders: list[tuple[str, Path]] = field(default_factory=list)
    """The encoder and the parts' folder of each try."""


def encode_chunked(
    source: Asset,
    target: Output | Path,
    profile: Profile,
    *,
    chunks: int | None = None,
    makers: Makers | None = None,
    keep: Path | None = None,
    supervision: Supervision | None = None,
    build: Build | None = None,
    info: MediaInfo | None = None,
    means: Means = USUAL,
    spelling: WishSpelling = AS_IT_IS,
) -> Encoded:
    """Encode `source` into `target` in parts, as exact as `encode` would in one piece.

    Every frame of the source is in the result once, at its own time. A part that comes out wrong is made
    again alone. One encoder makes all parts, on the cards of one family: where they fail, the parts are
    discarded, and the next one makes them all.

    Args:
        source: the clip.
        target: the file to write; nothing is there afterwards when this raises.
        profile: what the result should be.
        chunks: how many parts, at most; None for as many as its length makes worth while.
        makers: who makes the parts; None for this process, `profile.threads` at once on one thread each.
        keep: a folder where finished parts stay until their result is there, so that a later call uses them;
            None for the one of `supervision`, where they are removed with the result made.
        supervision: limits, progress, cancellation and log, of all parts together.
        build: as of `encode`, as are the following.
        info: a description of `source`.
        means: by what it may be made; each part takes a turn of its own at a device.
        spelling: how each encoder is given the profile, and what measures the result.

    Raises:
        CallerError: the profile does not fit the source; nothing has run.
        MediaError: the source is damaged, truncated or holds no such media.
        PlatformError: this machine could not do it, or the result is not what was planned.
    """
    supervision = supervision or Supervision()
    check_source(source)
    info = info or describe(source)
    software = build or find_build()
    path = Path(target)
    began = time.monotonic()
    try:
        ground = survey(source, profile, info=info, chunks=chunks, cancelled=supervision.cancelled)
        log = _Log(warnings=list(commands.warnings_of(profile)))
        with kept_folders(supervision, keep, digest_of(source, profile)) as (kept, own):
            wanted = wanted_of(info, profile, source.frames)
            way = means.way(wanted)
            makers = makers or SideBySide(profile.threads, Cards(means.devices, wanted, way.host))
            work = _Work(
                ground, path, kept, log, makers, replace(supervision, cwd=own),
                software=software, build=build, wish=profile, spelling=spelling,
            )  # fmt: skip
            teams = teams_of(way.tries)
            encoded, used, tried = first_that_works(
                means.choice,
                replace(way.tries, tries=tuple(teams)),
                way.host,
                plan=work.plan,
                make=work.make,
                turns=TeamTurns(way.turns, teams) if way.turns is not None else None,
            )
    except Uncuttable as reason:
        made = encode(
            source, target, profile,
            supervision=supervision, build=build, info=info, means=means, spelling=spelling,
        )  # fmt: skip
        return replace(made, warnings=(*made.warnings, f"encoded whole: {reason}"))
    return replace(_told(encoded, used, tried, log.parts), seconds=time.monotonic() - began)


def _told(encoded: Encoded, used: Try, tried: tuple[Tried, ...], parts: Sequence[PartMade]) -> Encoded:
    """What was made, with what came to make it: the last try's parts may have been on several cards."""
    decoder = "software" if any(one.decoder == "software" for one in parts) else used.spot.decoder
    cards = ", ".join(sorted({one.device for one in parts} - {""}))
    last = replace(tried[-1], encoder=encoded.encoder, decoder=decoder, device=cards or tried[-1].device)
    tried = (*tried[:-1], last)
    fallen = warning_of(tried)
    missed = encoded.quality.reasons if encoded.quality is not None else ()
    return replace(
        encoded,
        family=used.family,
        tried=tried,
        warnings=(*((fallen,) if fallen else ()), *encoded.warnings, *missed),
    )


@dataclass(frozen=True)
class _Work:
    """The encode of one clip into one file, by one try after another."""

    ground: Ground
    path: Path
    kept: Path
    log: _Log
    makers: Makers
    supervision: Supervision
    software: Build
    build: Build | None
    wish: Profile
    spelling: WishSpelling

    def plan(self, one: Try) -> Clip:
        """Where this try cuts, and the command of each part."""
        ffmpeg = self.software if one.family == "software" else build_of(one.family, self.build)
        wish = self.spelling.wish_of(self.wish, one)
        return cut(self.ground, wish, build=ffmpeg, target=self.path, spot=one.spot)

    def make(self, one: Try, clip: Clip) -> Encoded:
        """The result of one try, measured where that was asked for; nothing is there when this raises."""
        try:
            made = self._made(clip)
            quality = self.spelling.judge(self.path, clip.profile, one)
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise
        return replace(made, quality=quality)

    def _made(self, clip: Clip) -> Encoded:
        """Have the parts made that are not there yet, stitch, write the result, and verify it."""
        folder = self.kept / f"parts-{digest_of_parts(clip)}"
        self._discard_others(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.log.folders.append((clip.whole.encoder, folder))
        heard = self.kept / "sound.mov"
        sound = plan_sound(clip.source, self.ground.info, clip.profile, heard, start_us=clip.sound.start_us)
        missing = sound.args is not None and not heard.exists()
        made = self.makers(
            clip, clip.orders, folder, heard=heard if missing else None, supervision=self.supervision
        )
        self.log.sounds += [one for one in made if one.number == SOUND]
        made = [one for one in made if one.number != SOUND]
        parts, self.log.parts[:] = checked(
            clip, made, folder, makers=self.makers, supervision=self.supervision
        )
        self._write(clip, parts, sound, heard)
        expected = expected_of(clip.whole, self.ground.source, self.ground.truth, salvages=False)
        level, cancelled = clip.profile.verify, self.supervision.cancelled
        verification = verify(self.path, expected, level, cancelled=cancelled)
        log = self.log
        ran: list[PartMade | ToolRun] = [*log.parts, *log.sounds, *log.runs]
        return Encoded(
            frames=verification.frames or 0,
            duration_s=verification.duration_s or 0.0,
            encoder=clip.whole.encoder,
            tried=(),
            argv=log.runs[-1].argv,
            seconds=0.0,
            cpu_s=sum(one.cpu_s for one in ran),
            size_bytes=self.path.stat().st_size,
            build=clip.build.facts(),
            verification=verification.to_dict(),
            expected=clip.whole.expected,
            warnings=(*clip.whole.warnings, *log.warnings, *_made_again(log.parts)),
            commands=tuple(one.argv for one in ran if one.argv),
            box=weakest(one.box for one in ran if one.argv),
            parts=tuple(part.to_dict() for part in log.parts),
        )

    def _discard_others(self, current: Path) -> None:
        """Remove the parts of tries that have failed: two encoders' do not fit together."""
        for encoder, folder in self.log.folders:
            if folder == current:
                continue
            found = sum(1 for name in folder.glob("*") if name.stem.isdigit())
            shutil.rmtree(folder, ignore_errors=True)
            if found:
                self.log.warnings.append(
                    f"{found} part{'s' * (found > 1)} by {encoder} discarded: one encoder makes all parts"
                )
        self.log.folders.clear()

    def _write(self, clip: Clip, parts: list[CheckedPart], sound: ChunkSound, heard: Path) -> None:
        """Put the parts behind one another, and picture and sound into the file that is wanted."""
        own = self.supervision.cwd or self.kept
        stitched = own / f"stitched.{commands.HELD_IN[clip.profile.video.codec]}"
        index = self.ground.index
        times, unit = timeline(index, clip.plan.rate)
        stitch(parts, stitched, times, unit, cancelled=self.supervision.cancelled)
        args = mux_command(
            self.ground.info,
            clip.whole,
            sound,
            rate=clip.plan.rate,
            start_us=index.start_us,
            input_args=self.ground.opened,
            picture=output_args(stitched)[-1],
            heard=output_args(heard)[-1] if sound.args is not None else None,
            tag=_tag(clip, parts[0]) if clip.profile.container in {"mov", "mp4"} else None,
            encoder=parts[0].encoder,
        )
        quiet = replace(self.supervision, on_progress=None)
        run = run_ffmpeg(clip.build, args, supervision=quiet)
        self.log.runs.append(run)
        check(run, clip.build.major)
        stitched.unlink(missing_ok=True)


def _tag(clip: Clip, part: CheckedPart) -> str:
    """The sample entry that the plan names, else the one that the encoder's own file has."""
    args = clip.whole.passes[-1]
    return args[args.index("-tag:v") + 1] if "-tag:v" in args else part.tag


def _made_again(parts: list[PartMade]) -> list[str]:
    return [f"chunk {one.number} was made again: {one.reason}" for one in parts if one.redone]
