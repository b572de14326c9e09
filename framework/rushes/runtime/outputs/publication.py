"""Publication: the only place where outputs become visible.

An attempt writes into its scratch folder on the destination's file system. `prepare` hashes and syncs what
it wrote, checks that every target is free or ours, and moves everything into a staging folder whose name
nobody else knows; the caller journals the `Intent`. `commit` then moves, for each output, the receipt and
after it the output: the output's appearance is the commit. After a crash `adopt` finishes what can be
finished, and otherwise leaves a state from which the next attempt starts cleanly.

At every moment a target is absent, or what it was, or complete; and a target that is ours has a receipt
that names its SHA-256, either as an output or under `replaces`. An attempt that was taken over finds its
staging folder renamed away and publishes nothing.

Tests inject a crash at every step through `steps.at`. This module must not know who runs attempts.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rushes.errors import CallerError, PlatformError, RushesError
from rushes.runtime.files import (
    Promise,
    exchange,
    fsync_dir,
    make_folder,
    ours,
    remove,
    rename_noreplace,
    shown,
)
from rushes.runtime.outputs import steps
from rushes.runtime.outputs.destination import Destination
from rushes.runtime.outputs.intent import Action, IntendedOutput, Intent
from rushes.runtime.outputs.published import copy_published, is_unchanged, receipt_of
from rushes.runtime.outputs.scratch import attempt_folder, close_scratch, open_scratch, set_aside
from rushes.runtime.outputs.staging import not_ours, prepare, write_durably
from rushes.runtime.ownership import described, read_receipt, receipt_name
from rushes.runtime.sources.fingerprint import content_of
from rushes.runtime.sources.source import fingerprint_of, recheck_source, wait_settled

__all__ = [
    "Destination",
    "Intent",
    "Published",
    "adopt",
    "close_scratch",
    "commit",
    "copy_published",
    "fingerprint_of",
    "is_unchanged",
    "open_scratch",
    "prepare",
    "receipt_of",
    "recheck_source",
    "set_aside",
    "wait_settled",
]


@dataclass(frozen=True, slots=True)
class Published:
    """One output that is visible now, and what its file system could promise while it appeared."""

    name: str
    path: Path
    sha256: str
    size_bytes: int
    receipt: Path | None
    action: Action
    promise: Promise


def commit(intent: Intent) -> list[Published]:
    """Make the outputs of an intent visible, each after its receipt.

    Raises:
        CallerError: somebody else took a target meanwhile; it was left alone.
        PlatformError: this attempt was taken over (``superseded``), or the file system failed.
    """
    done = [_publish(part, intent.receipt_text) for part in intent.parts]
    _settle(intent)
    return done


def _publish(part: IntendedOutput, receipt_text: str) -> Published:
    staged, target = Path(part.staged), Path(part.target)
    if not os.path.lexists(staged):
        raise _superseded(part)
    steps.at("receipt")
    undo = _place_receipt(part, receipt_text)
    steps.at("output")
    try:
        with ours(target, "publish"):
            promise = _place_or_say(part, staged, target)
    except _TakenError:
        undo()
        raise _taken(part) from None
    except RushesError:
        undo()
        raise
    receipt = Path(part.receipt) if part.receipt else None
    return Published(part.name, target, part.sha256, part.size_bytes, receipt, part.action, promise)


class _TakenError(Exception):
    """The target appeared since it was found free."""


def _place_or_say(part: IntendedOutput, staged: Path, target: Path) -> Promise:
    try:
        return _place(part, staged, target)
    except FileExistsError:
        raise _TakenError from None


def _place(part: IntendedOutput, staged: Path, target: Path) -> Promise:
    if part.action == "adopt":
        return Promise.atomic  # prepare has read it; the staged copy goes with the staging folder
    if part.action == "replace":
        try:
            promise = exchange(staged, target)
        except FileNotFoundError:  # either of the two is gone; the one that is not ours may be
            if not os.path.lexists(staged):
                raise _superseded(part) from None
        else:
            steps.at("check-replaced")
            _check_replaced(part, staged, target)
            return promise
    try:
        return rename_noreplace(staged, target)
    except FileNotFoundError:
        if os.path.lexists(staged):  # then it is the target's folder that is gone
            raise
        raise _superseded(part) from None
    except FileExistsError:
        if _holds(target, part):
            return Promise.atomic
        raise


def _check_replaced(part: IntendedOutput, staged: Path, target: Path) -> None:
    """What came out must be what was to be replaced; else it goes back."""
    try:
        came_out = content_of(staged)
    except FileNotFoundError:  # taken over after the exchange: the target is complete, nothing to undo
        raise _superseded(part) from None
    if came_out.sha256 != part.old_sha256:
        exchange(staged, target)
        raise not_ours(target, "was changed while its replacement was made")


def _place_receipt(part: IntendedOutput, text: str) -> Callable[[], None]:
    """Put the receipt in place; returns what takes it back."""
    if part.receipt is None or part.staged_receipt is None:
        return _nothing
    staged, final = Path(part.staged_receipt), Path(part.receipt)
    with ours(final, "write"):
        try:
            rename_noreplace(staged, final)
        except FileNotFoundError:
            if os.path.lexists(staged):
                raise
            raise _superseded(part) from None
        except FileExistsError:
            exchange(staged, final)
            steps.at("check-receipt")
            if read_receipt(staged) is None:
                exchange(staged, final)
                raise not_ours(final, "is no receipt of Rushes") from None
            return lambda: _back(staged, final)
    return lambda: _withdraw(final, text)


def _back(staged: Path, final: Path) -> None:
    with suppress(OSError):  # the error that led here is the one to tell
        exchange(staged, final)


def _withdraw(final: Path, text: str) -> None:
    with suppress(OSError):
        if _text_of(final) == text:
            final.unlink()


def _settle(intent: Intent) -> None:
    """Make the new names durable and clear the staging folders."""
    steps.at("sync")
    folders = {Path(p).parent for part in intent.parts for p in (part.target, part.receipt) if p}
    for folder in sorted(folders):
        with ours(folder, "write"):
            fsync_dir(folder)
    steps.at("clear")
    remove(map(Path, intent.staging))
    for place in intent.staging[1:]:
        close_scratch(Path(place))
    steps.at("done")


# -- after a crash --------------------------------------------------------------------------------------


def adopt(intent: Intent) -> bool:
    """Finish what a lost attempt was about to publish; True when all of it is visible and verified.

    False leaves targets that are absent, what they were, or complete: a new attempt can start.
    """
    steps.at("adopt")
    own = _take_over(intent)
    todo = []
    for part in own.parts:
        if _holds(Path(part.target), part) and _nothing_lost(part):
            todo.append(replace(part, action="adopt"))
        elif _holds(Path(part.staged), part):
            todo.append(part)
        else:
            _discard(own)
            return False
    try:
        for part in todo:
            steps.at("adopt-part")
            _finish(part, own.receipt_text)
    except (CallerError, _TakenError):  # somebody took a target: the new attempt finds and names it
        _discard(own)
        return False
    _settle(own)
    _discard(intent)
    return True


def _take_over(intent: Intent) -> Intent:
    """The intent with a staging folder that the lost attempt, should it live, does not know."""
    staging = Path(intent.staging[0])
    mine = staging.with_name(f"publish-{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        staging.rename(mine)
        return intent.moved_to(mine)
    return intent


def _nothing_lost(part: IntendedOutput) -> bool:
    """False when the lost attempt's exchange took out what it should not have; that is back then."""
    if part.action != "replace" or not os.path.lexists(part.staged):
        return True
    try:
        _check_replaced(part, Path(part.staged), Path(part.target))
    except CallerError:
        return False
    return True


def _finish(part: IntendedOutput, text: str) -> None:
    if part.receipt is not None and _text_of(Path(part.receipt)) != text:
        # The staged receipt may be what an exchange took out, or be gone: the text is in the intent.
        staged = Path(part.staged_receipt or "")
        make_folder(staged.parent)
        write_durably(staged, text)
        _place_receipt(part, text)
    if part.action != "adopt":
        with ours(part.target, "publish"):
            _place_or_say(part, Path(part.staged), Path(part.target))


def _discard(intent: Intent) -> None:
    for place in intent.staging:
        folder = attempt_folder(Path(place))
        if folder is not None:
            close_scratch(folder)
        else:
            remove([Path(place)])


# -- small facts ----------------------------------------------------------------------------------------


def _holds(path: Path, part: IntendedOutput) -> bool:
    try:
        found = content_of(path)
    except (OSError, RushesError):
        return False
    return found.sha256 == part.sha256 and found.folder == part.folder


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _nothing() -> None:
    return


def _taken(part: IntendedOutput) -> RushesError:
    """What to say of a target that appeared; when Rushes made it, another try finds another name."""
    target = Path(part.target)
    receipt = read_receipt(part.receipt or target.with_name(receipt_name(target.name)))
    if receipt is None or described(receipt, target.name) is None:
        return not_ours(target, "was not there when this work began")
    return PlatformError(
        f"{shown(target)} was published by another invocation meanwhile.",
        code="target-taken",
        fix="It is tried again under another name.",
    )


def _superseded(part: IntendedOutput) -> PlatformError:
    return PlatformError(
        f"this attempt at {shown(part.target)} was taken over by another; it published nothing more.",
        code="superseded",
        fix="Nothing to do: the other attempt goes on.",
    )
