"""Makes the rungs of one clip's ladder, command by command, until each is made or its error stands.

Which rungs a command makes, and what a failure leaves, is decided in `rushes.media.ladders.rung_tries`; this
module runs, reads back, measures and keeps account. It must not know how a ladder is packaged.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rushes.asset import Asset
from rushes.errors import PlatformError, RushesError
from rushes.media.describing.schema import MediaInfo
from rushes.media.devices.fallback import Tried, TryOutcome, told
from rushes.media.devices.tries import KnownHost, Tries, Try, plan_tries
from rushes.media.encoding.means import Means, WishSpelling
from rushes.media.encoding.trying import nothing_to_try, tried_of
from rushes.media.encoding.verify import Level, SourceTruth, Verification, verify
from rushes.media.ladders.ladder import LadderPlan, plan_ladder
from rushes.media.ladders.ladder_command import sound_name
from rushes.media.ladders.rendition_files import (
    expected_picture,
    expected_sound,
    refuse_unaligned,
    taken_stills,
)
from rushes.media.ladders.rung_plan import RungWish, plan_rung
from rushes.media.ladders.rung_tries import Group, PendingRung, after_failure, next_group, one_on
from rushes.media.ladders.rungs import Ladder
from rushes.media.ladders.still_branches import SHEET, THUMBNAILS
from rushes.media.planning.choice import EncoderChoice
from rushes.media.planning.device_graph import HERE
from rushes.media.planning.wanted import wanted_of
from rushes.media.quality.parity import Parity
from rushes.media.readers.guard import output_args
from rushes.media.running.builds import Build, find_build
from rushes.media.running.dialect import classify, damage_in
from rushes.media.running.process import ToolRun

if TYPE_CHECKING:
    from rushes.media.ladders.rung_turns import RungTurns

__all__ = ["LadderRunner", "RungMaking", "RungSpelling"]


class LadderRunner(Protocol):
    """Runs one ffmpeg command, watched; raises what its failure means.

    `on` is another build than the usual one: a device's. `part` is the share of the whole that it is.
    """

    def __call__(
        self,
        args: Sequence[str],
        total_s: float | None,
        *,
        on: Build | None = None,
        part: tuple[float, float] = (0.0, 1.0),
    ) -> ToolRun: ...


@dataclass(frozen=True)
class RungSpelling(WishSpelling):
    """One rung as each encoder is to be given it, and what measures a result.

    Args:
        expected: VMAF that each encoder is expected to reach.
    """

    expected: Mapping[str, float] = field(default_factory=dict)


@dataclass
class RungMaking:
    """The rungs of one clip while they are made.

    Args:
        source: the clip.
        info: a description of it.
        truth: what it really holds.
        ladder: the wish.
        opened: how ffmpeg opens it.
        folder, stills_folder: where renditions and stills go.
        build: the usual ffmpeg.
        run: how a command is run.
        level: how thoroughly each is read back.
        cancelled: asked while files are read.
        wishes: the rungs by name, the largest first.
        spellings: of each rung.
    """

    source: Asset
    info: MediaInfo
    truth: SourceTruth
    ladder: Ladder
    opened: Sequence[str]
    folder: Path
    stills_folder: Path
    build: Build
    run: LadderRunner
    level: Level
    cancelled: Callable[[], bool]
    wishes: dict[str, RungWish]
    spellings: dict[str, RungSpelling]

    plans: list[LadderPlan] = field(default_factory=list)
    runs: list[ToolRun] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    pictures: dict[str, Verification] = field(default_factory=dict)
    sounds: list[Verification] = field(default_factory=list)
    quality: dict[str, Parity] = field(default_factory=dict)
    stills: tuple[int, str | None] = (0, None)
    beside: bool = True
    turns: RungTurns | None = None

    def make_all(self, means: Means) -> None:
        """Make every rung by what it may be made, and every sound and still.

        Raises:
            RushesError: the error that stands; its `details` have ``tried``.
        """
        host = means.known()
        pending = [PendingRung(name, tries) for name, tries in self._tries(means.choice, host).items()]
        if means.devices is not None:
            from rushes.media.ladders.rung_turns import RungTurns  # noqa: PLC0415 - where there are devices alone

            self.turns = RungTurns(means.devices, host, pending)
        try:
            while pending:
                pending = self._next(pending)
        except RushesError as error:
            error.details["tried"] = [one.to_dict() for one in self.tried]
            raise

    def _tries(self, choice: EncoderChoice, host: KnownHost) -> dict[str, tuple[Try, ...]]:
        seen = frozenset(d.family for d in host.capability.devices) if host.capability else frozenset[str]()
        found: dict[str, tuple[Try, ...]] = {}
        for name, wish in self.wishes.items():
            wanted = wanted_of(self.info, wish.profile, self.source.frames)
            own = replace(host, quality=self.spellings[name].expected)
            tries = Tries((), ()) if wanted is None else plan_tries(choice, wanted, own)
            if not tries.tries:
                raise nothing_to_try(choice, tries)
            # What holds for all rungs is said once.
            self.tried += [one for one in told(choice, tries.left_out, seen) if one not in self.tried]
            found[name] = tries.tries
        return found

    def _next(self, pending: list[PendingRung]) -> list[PendingRung]:
        """What is left once the next command has run."""
        pending = [self._that_can_be_planned(rung) for rung in pending]
        group = next_group(pending, self._sharing(pending))
        began = time.monotonic()
        try:
            plan = self._run(group, pending)
        except RushesError as error:
            self._clear(group)
            for rung in pending:
                if rung.name in group.names and (rung.on_device or not self._has_device(group)):
                    self._note(rung, "failed", began, error)
            left = after_failure(pending, group, error)
            if left is None:
                raise
            return left
        left = []
        for rung in pending:
            if rung.name not in group.names:
                left.append(rung)
            elif (moved := self._accepted(rung, plan, began)) is not None:
                left.append(moved)
        if self.beside:
            self._accept_beside(plan)
        self.plans.append(plan)
        return left

    def _that_can_be_planned(self, rung: PendingRung) -> PendingRung:
        """The rung at its first try that its encoder does not refuse beforehand."""
        began = time.monotonic()
        while True:
            try:
                plan_rung(
                    self.info,
                    self._wish(rung),
                    self._build_of(rung.next.family),
                    source=self.source,
                    present=(self.truth.frames, self.truth.duration_s),
                )
            except RushesError as error:
                self._note(rung, "refused", began, error)
                moved = one_on(rung, error, ran=False)
                if moved is None:
                    raise
                rung = moved
            else:
                return rung

    def _run(self, group: Group, pending: Sequence[PendingRung]) -> LadderPlan:
        """One command; its files are there when this returns."""
        lead = group.lead
        build = self._build_of(lead.family)
        decoded = lead.spot if lead.family != "software" else HERE
        whole = self.source.frames is None
        plan = plan_ladder(
            self.info,
            self.ladder,
            build,
            source=self.source,
            input_args=self.opened,
            place=output_args(self.folder)[-1],
            stills_place=output_args(self.stills_folder)[-1],
            present=self.truth.frames,
            present_s=self.truth.duration_s,
            leading=self.truth.leading if whole else 0,
            wishes=[self._wish(rung) for rung in pending if rung.name in group.names],
            decoded=decoded,
            beside=self.beside,
        )
        if self.beside and self.ladder.stills.every_s is not None:
            (self.stills_folder / THUMBNAILS).mkdir(parents=True)
        total = len(self.wishes)
        part = (len(self.pictures) / total, (len(self.pictures) + len(group.names)) / total)
        on = None if lead.family == "software" else build

        def command() -> ToolRun:
            return self.run(plan.args, plan.duration_s, on=on, part=part)

        done = command() if self.turns is None else self.turns.run(group, pending, command)
        self.runs.append(done)
        if damage_in(done) is not None:  # a command on damaged pictures may end with success
            raise classify(done, build.major)
        return plan

    def _accepted(self, rung: PendingRung, plan: LadderPlan, began: float) -> PendingRung | None:
        """None for a rung that is as planned, else the same at its next try."""
        rendition = next(one for one in plan.renditions if one.name == rung.name)
        file = self.folder / f"{rung.name}.mp4"
        wish, spelling = self._wish(rung), self.spellings[rung.name]
        try:
            expected = expected_picture(rendition, plan, self.source, self.truth)
            found = verify(file, expected, self.level, cancelled=self.cancelled)
            if rung.on_device:
                refuse_unaligned(file, plan, self.cancelled)
            parity = spelling.judge(file, wish.profile, rung.next)
        except PlatformError as error:
            self._note(rung, "failed", began, error)
            file.unlink(missing_ok=True)
            moved = one_on(rung, error) if rung.on_device else None
            if moved is None:
                raise
            return moved
        self.pictures[rung.name] = found
        if parity is not None:
            self.quality[rung.name] = parity
        self._note(rung, "made", began)
        return None

    def _accept_beside(self, plan: LadderPlan) -> None:
        """Sound and stills, which no device makes."""
        for number in range(len(plan.sounds)):
            heard = expected_sound(plan, self.source, self.truth)
            file = self.folder / f"{sound_name(number)}.mp4"
            self.sounds.append(verify(file, heard, self.level, cancelled=self.cancelled))
        self.stills = taken_stills(self.ladder.stills, self.stills_folder)
        self.beside = False

    def _wish(self, rung: PendingRung) -> RungWish:
        wish = self.wishes[rung.name]
        profile = self.spellings[rung.name].wish_of(wish.profile, rung.next)
        return replace(wish, profile=profile, spot=rung.next.spot)

    def _build_of(self, family: str) -> Build:
        return self.build if family == "software" else find_build(family)

    def _sharing(self, pending: Sequence[PendingRung]) -> frozenset[str]:
        """Families whose ffmpeg has the software encoders that are still needed."""
        needed = {rung.next.encoder for rung in pending if not rung.on_device}
        families = {rung.next.family for rung in pending if rung.on_device}
        return frozenset(family for family in families if needed <= self._build_of(family).encoders)

    def _has_device(self, group: Group) -> bool:
        return group.lead.family != "software"

    def _note(
        self, rung: PendingRung, outcome: TryOutcome, began: float, error: RushesError | None = None
    ) -> None:
        found = replace(tried_of(rung.next, outcome, began, error), output=rung.name)
        if self.turns is not None and outcome != "refused":
            found = replace(found, waited_s=self.turns.waited_s, note=self.turns.note)
        self.tried.append(found)

    def _clear(self, group: Group) -> None:
        """Nothing of a command that failed is kept."""
        for name in group.names:
            (self.folder / f"{name}.mp4").unlink(missing_ok=True)
        if self.beside:
            shutil.rmtree(self.stills_folder / THUMBNAILS, ignore_errors=True)
            (self.stills_folder / f"{SHEET}.{self.ladder.stills.kind}").unlink(missing_ok=True)
