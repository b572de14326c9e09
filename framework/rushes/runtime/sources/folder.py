"""A folder on disk as a watch sees it: the clips below it, what they are like, what they need, what was sent.

What was sent is kept in a file of `RUSHES_HOME`, a line each: a watch that is started again sends nothing a
second time. It is written after the clip was sent, so a watch that dies in between sends it once more, and
finds its result known. This module must not know which clip may start.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rushes.core.folder_watch import Look
from rushes.errors import CallerError, RushesError
from rushes.media_kinds import suffix_of
from rushes.runtime.files import ours
from rushes.runtime.sources.inputs import Found, expand
from rushes.runtime.sources.manifest import lines_of
from rushes.runtime.sources.source import state_of
from rushes.triggers import OnFolder, is_of_kind

__all__ = ["Folder", "Sent"]


class Folder:
    """One folder.

    Args:
        trigger: which, and what is wanted of it.
        out: where outputs go: what is there, and what Rushes made, is no clip.
    """

    def __init__(self, trigger: OnFolder, out: str | None) -> None:
        self.place = os.path.abspath(os.path.expanduser(trigger.place))  # noqa: PTH100, PTH111 - a link stays
        self.settle_s = trigger.settle_s
        self._trigger = trigger
        self._out = out
        self._clips: dict[str, Found] = {}
        self._lists: dict[str, tuple[Look, list[str]]] = {}

    def there(self) -> dict[str, Look]:
        """Every clip below it, and what it is like; one that cannot be read now is left out.

        Raises:
            CallerError: the folder is not there.
        """
        self._clips = {}
        found: dict[str, Look] = {}
        for one in self._found():
            name = str(one.asset.uri)
            if one.problem is None and is_of_kind(name, self._trigger.kinds):
                self._clips[name] = one
                self._add(name, found)
        return found

    def clip(self, name: str) -> Found:
        """A clip of the last look."""
        return self._clips[name]

    def needs(self, name: str, there: dict[str, Look]) -> Iterable[str] | None:
        """What a clip waits for; None where nothing says what that is. What it finds is added to `there`."""
        if self._trigger.sidecar:
            beside = self._beside(name, there)
            return None if beside is None else (beside,)
        if self._trigger.manifest:
            return self._listed(name, there)
        return ()

    def _found(self) -> Iterator[Found]:
        if not os.path.isdir(self.place):  # noqa: PTH112 - a str path, kept as given
            raise CallerError(
                f"the folder {self.place} is not there.",
                code="not-found",
                fix="Mount it, or check its name.",
                details={"path": self.place},
            )
        try:
            yield from expand([self.place], out=self._out)
        except CallerError as error:
            if error.code != "no-media":  # nothing has come yet
                raise

    def _beside(self, name: str, there: dict[str, Look]) -> str | None:
        """The sidecar of a clip, its extension in either case."""
        stem = name.rpartition(".")[0]
        for suffix in dict.fromkeys((self._trigger.sidecar, self._trigger.sidecar.upper())):
            if self._add(f"{stem}{suffix}", there):
                return f"{stem}{suffix}"
        return None

    def _listed(self, name: str, there: dict[str, Look]) -> list[str] | None:
        """What a clip's manifest lists, with itself; None where there is none that lists it."""
        folder = os.path.dirname(name)  # noqa: PTH120 - a str path
        while folder.startswith(self.place):
            manifest = f"{folder}/{self._trigger.manifest}"
            if self._add(manifest, there):
                listed = self._lines(manifest, there[manifest])
                if name in listed and all(self._add(one, there) for one in listed):
                    return [manifest, *listed]
            folder = os.path.dirname(folder)  # noqa: PTH120 - as above
        return None

    def _lines(self, manifest: str, look: Look) -> list[str]:
        """The paths in a manifest, read again when it has changed; a line that is none makes it wait."""
        if manifest not in self._lists or self._lists[manifest][0] != look:
            home = os.path.dirname(manifest)  # noqa: PTH120 - as above
            lines = lines_of(manifest, suffix_of(manifest))
            named = [
                os.path.abspath(os.path.join(home, one.source)) if one.problem is None else ""  # noqa: PTH100, PTH118
                for one in lines
            ]
            self._lists[manifest] = look, named
        return self._lists[manifest][1]

    def _add(self, name: str, there: dict[str, Look]) -> bool:
        """Whether a file is there; then also what it is like."""
        if name in there:
            return True
        asset = self._clips[name].asset if name in self._clips else None
        try:
            if asset is None:
                found = os.stat(name)  # noqa: PTH116 - a str path
                there[name] = Look(found.st_size, max(found.st_mtime_ns, found.st_ctime_ns))
            else:
                there[name] = Look(*state_of(asset))
        except (OSError, RushesError, ValueError):  # it goes, or comes, just now
            return False
        return True


class Sent:
    """What was sent of a folder, in a file of its own.

    Args:
        home: `RUSHES_HOME`.
        what: function, folder and place of outputs: another of any of them is another watch.
    """

    def __init__(self, home: Path, what: Iterable[str]) -> None:
        digest = hashlib.sha256("\0".join(what).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._path = home / "watched" / f"{digest}.jsonl"

    def read(self) -> dict[str, Look]:
        """Everything that was sent, as it was; a line that was cut short when the power went is left out."""
        found: dict[str, Look] = {}
        if not self._path.exists():
            return found
        with ours(self._path, "read"), self._path.open(encoding="ascii") as file:
            for line in file:
                try:
                    name, size, changed = json.loads(line)
                except ValueError:
                    continue
                found[name] = Look(size, changed)
        return found

    def add(self, sent: Iterable[tuple[str, Look]]) -> None:
        """Remember what was sent."""
        with ours(self._path, "write"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                file.writelines(f"{json.dumps([name, *look])}\n" for name, look in sent)
                file.flush()
                os.fsync(file.fileno())
