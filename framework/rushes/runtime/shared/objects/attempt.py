"""One try at an invocation whose clip and outputs are objects in a store.

The clip, and every object that its options name, is fetched into a folder of the attempt's own; there the
same attempt runs as everywhere else, and what it publishes is published once more, into the store. The folder
is removed whatever happens. A body that only describes its clip gets it where it is (`described_in_place`).
Options come from whoever may send a message: one that names a file of this machine is refused, for the body
would show them what it alone may read.
This module must not know who asked, nor which store it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from rushes.asset import Asset
from rushes.declaration import Params
from rushes.errors import CallerError
from rushes.runtime.attempts.attempt import run_attempt
from rushes.runtime.attempts.task import Gate, Made, Reporter, Task
from rushes.runtime.shared.objects.described_in_place import described_in_place, require_same
from rushes.runtime.shared.objects.frames import fetch_clip
from rushes.runtime.shared.objects.patient_publication import Patience, publish_patiently
from rushes.runtime.shared.objects.publication import Target
from rushes.runtime.shared.objects.scratch import SOURCE, attempt_scratch, in_scratch
from rushes.stored import Stored

if TYPE_CHECKING:
    from rushes.ports import Store

__all__ = ["FolderOf", "Lend", "Run", "StoreReach", "lending", "reach_of", "run_remote"]


class StoreReach(NamedTuple):
    """What an attempt has to reach in a store, and no more.

    Args:
        reads: URIs of the clip and of every object that its options name.
        out: the URI below which it publishes, or None.
    """

    reads: tuple[str, ...]
    out: str | None


Run = Callable[[Task, Reporter, Gate, Callable[[], bool]], Made]
"""Runs a task whose files are here: in this process, or on a pool."""
FolderOf = Callable[[Path, str], AbstractContextManager[Path]]
"""Gives an attempt a folder of its own below another."""
Lend = Callable[[StoreReach, Path], AbstractContextManager[None]]
"""Lets the body of an attempt sign in for so long, by what it puts into a folder: see `signed_in`."""


def run_remote(
    task: Task,
    store: Store,
    scratch: Path,
    *,
    report: Reporter,
    may_publish: Callable[[str], None],
    cancelled: Callable[[], bool],
    local_name: Callable[[str], str],
    run: Run = run_attempt,
    patience: Patience | None = None,
    folder_of: FolderOf = attempt_scratch,
) -> Made:
    """Fetch, run the body, verify, publish; nothing half-written is ever visible.

    Args:
        task: what it is about; its source, and ``out`` where it has one, are URIs of the store.
        store: where they are.
        scratch: a folder on a disk with room for the clip and what is made of it.
        report: told how far it is.
        may_publish: asked before anything becomes visible, and told what will (`intent`); raises when
            this attempt may not. What publishes nothing does not ask.
        cancelled: whether somebody wants it to stop.
        local_name: a file name for a URI.
        run: the attempt on what is here by then.
        patience: with services that do not answer while it publishes; None for what is usual.
        folder_of: gives it a folder of its own there.

    Raises:
        RushesError: as `run_attempt`; ``source-changed`` where the clip is not what was submitted, and
            ``local-input`` where an option names a file of this machine.
    """
    _require_elsewhere(task.params)
    with folder_of(scratch, task.invocation) as folder:
        described = described_in_place(task, store, report, cancelled)
        if described is not None:
            return described
        with in_scratch(scratch):
            source, found = _fetched(task.source, folder / SOURCE, store, local_name)
        require_same(task, found)
        with in_scratch(scratch):
            params = _with_assets(task.params, folder, store, local_name)
        local = replace(task, source=source, params=params, fingerprint="", settle_s=0.0, temporary=folder)
        if task.out is not None:
            (folder / "out").mkdir()
            local = replace(local, out=str(folder / "out"))
        made = run(local, report, lambda _: None, cancelled)  # nobody sees what it puts into this folder
        if task.out is None or not made.published:
            return made
        place = Target(
            store, task.out, folder / "out", task.key, found, task.invocation, task.attempt, task.routed
        )
        return publish_patiently(made, place, may_publish, cancelled, patience or Patience())


def lending(folder_of: FolderOf, lend: Lend, reach: StoreReach) -> FolderOf:
    """Folders in which what lets a body sign in lies for as long as they are used."""

    @contextmanager
    def folder(root: Path, invocation: str) -> Iterator[Path]:
        with folder_of(root, invocation) as made, lend(reach, made):
            yield made

    return folder


def reach_of(task: Task) -> StoreReach:
    """What a task has to reach."""
    named = [one.uri for _, value in task.params for one in _assets_of(value) if _is_elsewhere(one)]
    return StoreReach((task.source.uri, *sorted(set(named))), task.out)


def _assets_of(value: Any) -> list[Asset]:
    found = value if isinstance(value, list | tuple) else [value]
    return [one for one in found if isinstance(one, Asset)]


def _is_elsewhere(asset: Asset) -> bool:
    return asset.local is None and "://" in asset.uri


def _require_elsewhere(params: Params) -> None:
    """Let no option name a file of this machine, however deep it stands; the author's own defaults may.

    Raises:
        CallerError: one does (``local-input``).
    """
    for name, value in params:
        if value == type(params).model_fields[name].default:
            continue
        for asset in _named_in(value):
            if not _is_elsewhere(asset):
                raise CallerError(
                    f"option {name} names {asset.uri!r}, a file of whatever machine works on this.",
                    code="local-input",
                    fix="Copy it to a bucket (aws s3 cp …) and name it s3://BUCKET/KEY.",
                )


def _named_in(value: Any) -> Iterator[Asset]:
    if isinstance(value, Asset):
        yield value
    elif isinstance(value, BaseModel | Mapping | list | tuple | set | frozenset):
        inside = value.values() if isinstance(value, Mapping) else value
        for one in inside:
            yield from _named_in(one[1] if isinstance(value, BaseModel) else one)


def _fetched(
    asset: Asset, folder: Path, store: Store, local_name: Callable[[str], str]
) -> tuple[Asset, Stored]:
    """An asset whose bytes are in a folder of its own."""
    folder.mkdir(exist_ok=True)
    place = folder / local_name(asset.uri)
    found = fetch_clip(store, asset.uri, place)
    return Asset(asset.uri, asset.frames, str(place)), found


def _with_assets(params: Params, folder: Path, store: Store, local_name: Callable[[str], str]) -> Params:
    """Options whose assets are here, too: a LUT, a watermark, subtitles."""
    changed: dict[str, Any] = {}
    for number, (name, value) in enumerate(params):
        if isinstance(value, Asset) and _is_elsewhere(value):
            changed[name] = _fetched(value, folder / f"option-{number}", store, local_name)[0]
        elif isinstance(value, list | tuple) and any(isinstance(one, Asset) for one in value):
            changed[name] = type(value)(
                _fetched(one, folder / f"option-{number}-{index}", store, local_name)[0]
                if isinstance(one, Asset) and _is_elsewhere(one)
                else one
                for index, one in enumerate(value)
            )
    return params.model_copy(update=changed) if changed else params
