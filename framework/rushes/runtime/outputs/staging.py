"""The first half of a publication: check, hash, sync and stage; nothing becomes visible.

Nothing that is not ours is ever replaced: a target whose bytes match its Rushes receipt may be, one that
holds the intended bytes is adopted, and any other fails the invocation and is named. This module must not
know how the outputs are moved into place.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rushes.errors import CallerError, PlatformError
from rushes.runtime.files import fsync_dir, fsync_file, make_folder, ours, same_filesystem, shown
from rushes.runtime.outputs import steps
from rushes.runtime.outputs.destination import Destination
from rushes.runtime.outputs.intent import Action, IntendedOutput, Intent
from rushes.runtime.outputs.receipt import Receipt, ReceiptOutput
from rushes.runtime.ownership import (
    described,
    owned_hashes,
    read_receipt,
    receipt_name,
    receipt_paths,
    scratch_root_of,
)
from rushes.runtime.sources.fingerprint import Content, content_of

__all__ = ["not_ours", "prepare", "write_durably"]

_CLAIM_SIZE: Final = 0


def prepare(
    pairs: Sequence[tuple[Path, Path]],
    receipt: Receipt | None,
    *,
    receipts: str = "beside",
    destination: Destination | None = None,
    names: Sequence[str] | None = None,
    owned: Collection[str] = (),
) -> Intent:
    """Check, hash, sync and stage what an attempt made; nothing becomes visible.

    Args:
        pairs: for each output, where the attempt wrote it and its final path.
        receipt: the provenance; outputs and what they replace are filled in here. None writes none.
        receipts: ``beside``, ``none``, or a folder.
        destination: mirrors the tree in a folder of receipts.
        names: what the function calls each output; by default the file's name.
        owned: SHA-256s that the caller knows to be ours, from its ledger.

    Raises:
        CallerError: a target is not ours (``target-exists``), or cannot be written.
        PlatformError: no space, or a target is on another file system than the scratch folder.
    """
    if not pairs:
        raise CallerError(
            "there is nothing to publish.",
            code="missing-output",
            fix="Ask for an output with ctx.output(name).",
        )
    _refuse_twins(pairs)
    folder = _receipts_folder(receipts, destination) if receipt is not None else None
    staging = [pairs[0][0].parent / f"publish-{uuid.uuid4().hex}"]
    parts: list[IntendedOutput] = []
    for number, (written, target) in enumerate(pairs):
        steps.at(f"hash:{number}")
        name = names[number] if names is not None else target.name
        staged = staging[0] / f"{number}{target.suffix}"
        beside = receipt_paths(target, folder)
        parts.append(_intended(name, written, staged, target, receipts=beside, owned=owned))
    steps.at("stage")
    _stage(staging[0], parts, pairs)
    text = ""
    if receipt is not None and receipts != "none":
        text = _filled(receipt, parts).to_text()
        parts = [_with_receipt(part, folder, staging, number) for number, part in enumerate(parts)]
        for part in parts:
            steps.at("write-receipt")
            write_durably(Path(part.staged_receipt or ""), text)
    steps.at("sync-stage")
    for place in staging:
        with ours(place, "write"):
            fsync_dir(place)
    return Intent(tuple(parts), tuple(map(str, staging)), text)


def _intended(
    name: str,
    written: Path,
    staged: Path,
    target: Path,
    *,
    receipts: Iterable[Path],
    owned: Collection[str],
) -> IntendedOutput:
    """One output, hashed and on the disk, and what has to be done to show it."""
    with ours(written, "read"):
        content = content_of(written)
    _sync(written)
    action, there = _decide(target, content, receipts, owned)
    return IntendedOutput(
        name,
        str(staged),
        str(target),
        content.sha256,
        content.size_bytes,
        there.mtime_ns if action == "adopt" and there else content.mtime_ns,
        content.folder,
        action,
        there.sha256 if action == "replace" and there else "",
    )


def _stage(folder: Path, parts: Sequence[IntendedOutput], pairs: Sequence[tuple[Path, Path]]) -> None:
    """Move what was written to where one rename shows it: a folder on the targets' file system."""
    with ours(folder, "write"):
        folder.mkdir()
        for part, (written, target) in zip(parts, pairs, strict=True):
            with ours(target.parent, "write"):
                make_folder(target.parent)
            if not same_filesystem(folder, target.parent):
                raise _other_device(target)
            written.rename(part.staged)


def _decide(
    target: Path, content: Content, receipts: Iterable[Path], owned: Collection[str]
) -> tuple[Action, Content | None]:
    """What has to be done for a target, and what it is now."""
    with ours(target, "read"):
        if not os.path.lexists(target):
            return "new", None
        found = target.lstat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise not_ours(target, "is neither a file nor a folder")
    with ours(target, "read"):
        there = content_of(target)
    if there.sha256 == content.sha256 and there.folder == content.folder:
        return "adopt", there
    known = [receipt for path in receipts if (receipt := read_receipt(path)) is not None]
    for receipt in known:
        # An empty thing where a receipt describes more is the claim of an attempt that crashed
        # (`Promise.claim`), on a file system that has nothing better.
        mine = described(receipt, target.name)
        if mine is not None and there.size_bytes == _CLAIM_SIZE:
            return "replace", there
        if there.sha256 in owned_hashes(receipt, target.name):
            return "replace", there
    if there.sha256 in owned:
        return "replace", there
    raise not_ours(target, "was changed since Rushes made it" if known else "was not made by Rushes")


def _filled(receipt: Receipt, parts: Sequence[IntendedOutput]) -> Receipt:
    outputs = tuple(
        ReceiptOutput(
            name=part.name,
            path=part.target,
            size_bytes=part.size_bytes,
            sha256=part.sha256,
            folder=part.folder,
        )
        for part in parts
    )
    replaces = {os.path.basename(p.target): p.old_sha256 for p in parts if p.old_sha256}  # noqa: PTH119
    return receipt.model_copy(update={"outputs": outputs, "replaces": replaces})


def _with_receipt(
    part: IntendedOutput, folder: Path | None, staging: list[Path], number: int
) -> IntendedOutput:
    target = Path(part.target)
    final = (folder or target.parent) / receipt_name(target.name)
    place = staging[0]
    with ours(final.parent, "write"):
        make_folder(final.parent)
        if not same_filesystem(place, final.parent):
            # A rename cannot cross: these receipts wait in a staging folder of their own.
            if len(staging) == 1:
                staging.append(scratch_root_of(final.parent) / staging[0].name)
                make_folder(staging[1])
            place = staging[1]
    if os.path.lexists(final) and read_receipt(final) is None:
        raise not_ours(final, "is no receipt of Rushes")
    return replace(part, receipt=str(final), staged_receipt=str(place / f"{number}.receipt"))


def write_durably(path: Path, text: str) -> None:
    """Write an ASCII file and make its bytes durable."""
    with ours(path, "write"), path.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    with ours(path, "write"):
        if not path.is_dir():
            fsync_file(path)
            return
        for folder, _, files in os.walk(path):
            for name in files:
                fsync_file(Path(folder, name))
            fsync_dir(Path(folder))


def _receipts_folder(receipts: str, destination: Destination | None) -> Path | None:
    if receipts in {"beside", "none"}:
        return None
    if destination is not None:
        return destination.receipts_folder
    return Path(receipts).absolute()


def _refuse_twins(pairs: Sequence[tuple[Path, Path]]) -> None:
    seen: set[Path] = set()
    for _, target in pairs:
        if target in seen or any(parent in seen for parent in target.parents):
            raise CallerError(
                f"two outputs would have the place {shown(target)}.",
                code="bad-name",
                fix="Give each output of the function its own name.",
            )
        seen.add(target)


def not_ours(target: Path, why: str) -> CallerError:
    """The refusal to touch something at a target's place."""
    return CallerError(
        f"{shown(target)} exists and {why}; it was left alone.",
        code="target-exists",
        fix="Move it away, or choose another --out or --name.",
        details={"path": shown(target)},
    )


def _other_device(target: Path) -> PlatformError:
    return PlatformError(
        f"{shown(target.parent)} is on another file system than the scratch folder.",
        code="cross-device",
        fix="Choose an --out that is one file system, without mounts below it.",
    )
