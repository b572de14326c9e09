"""A folder's tree as clips, one folder in memory at a time, in an order that is always the same.

Within a folder its clips come first, then its subfolders, each sorted by the bytes of its name. This module
must not know what happens to the clips.
"""

# ruff: noqa: PTH116, PTH118 - names stay text as the system gave them, a million times over

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache

from rushes.asset import Asset
from rushes.errors import CallerError, RushesError
from rushes.media_kinds import MEDIA_SUFFIXES, suffix_of
from rushes.runtime.files import foreign, shown
from rushes.runtime.ownership import described, is_receipt_name, read_receipt, receipt_name
from rushes.runtime.sources.clips import clip_names, sort_key

__all__ = ["Item", "Tree", "cannot_read", "has_magic", "like_a_pattern", "not_a_file"]

_EFFECTIVE = os.access in os.supports_effective_ids
Wanted = Callable[[str], bool]
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Item:
    """One clip of a tree: where it is, the folder below the root that it is in, what is wrong with it."""

    path: str
    subdir: str
    problem: RushesError | None = None


@dataclass(slots=True)
class _Listing:
    clips: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    bad: dict[str, RushesError] = field(default_factory=dict)


class Tree:
    """Walks folders.

    Args:
        out: identity (device, inode) of the output folder, which is never walked into unless it is the root.
        skip_own: pass over what has a receipt that says Rushes made it.
    """

    def __init__(self, out: Identity | None, *, skip_own: bool) -> None:
        self._out = out
        self._skip_own = skip_own
        self.skipped = 0
        """Outputs of ours that were passed over."""

    def walk(self, root: str, below: str = "", above: Sequence[Identity] = ()) -> Iterator[Item]:
        """The clips of a folder and of all folders in it; links to folders are followed, loops are not.

        A folder that cannot be read is a problem of its own; the walk goes on. `above` are the folders
        that `root` was reached by.
        """
        trail: list[Identity] = list(above)
        levels: list[Iterator[tuple[str, str]]] = [iter([(root, below)])]
        while levels:
            step = next(levels[-1], None)
            if step is None:
                levels.pop()
                del trail[len(above) + max(len(levels) - 1, 0) :]
                continue
            path, subdir = step
            here, problem = self._enter(path, trail)
            if problem is not None:
                yield Item(path, subdir, problem)
            if here is None:
                continue
            listing = self._list(path, _is_media)
            yield from self._items(listing, path, subdir)
            trail.append(here)
            levels.append(_below(path, subdir, listing.folders))

    def match(self, root: str, parts: list[str]) -> Iterator[Item]:
        """The clips below `root` whose path matches the parts of a pattern; matched folders are walked."""
        yield from self._match(root, "", parts, [], deep=False)

    def _match(
        self, path: str, subdir: str, parts: list[str], trail: list[Identity], *, deep: bool
    ) -> Iterator[Item]:
        here, problem = self._enter(path, trail)
        if problem is not None:
            yield Item(path, subdir, problem)
        if here is None:
            return
        part, rest = parts[0], parts[1:]
        trail = [*trail, here]
        if part == "**":
            yield from self._match(path, subdir, rest or ["*"], trail[:-1], deep=True)
            for name in self._list(path, _nothing).folders:
                yield from self._match(os.path.join(path, name), _join(subdir, name), parts, trail, deep=True)
            return
        matches = _matcher(part)
        if rest:
            # A literal part may be a hidden folder, which a listing leaves out.
            names = self._list(path, _nothing).folders if has_magic(part) else [part]
            for name in filter(matches, names):
                if os.path.isdir(os.path.join(path, name)):  # noqa: PTH112
                    yield from self._match(
                        os.path.join(path, name), _join(subdir, name), rest, trail, deep=deep
                    )
            return
        # A pattern that spells an extension means it; a bare star means media.
        spelled = "." in part and not has_magic(suffix_of(part))
        listing = self._list(path, lambda name: matches(name) and (spelled or _is_media(name)))
        yield from self._items(listing, path, subdir)
        if not deep:
            for name in filter(matches, listing.folders):
                yield from self.walk(os.path.join(path, name), _join(subdir, name), trail)

    def _enter(self, path: str, trail: list[Identity]) -> tuple[Identity | None, RushesError | None]:
        try:
            found = os.stat(path)
        except OSError as error:
            return None, foreign(error, path, "read")
        here = (found.st_dev, found.st_ino)
        if here in trail:
            return None, CallerError(
                f"the folder {shown(path)} leads back to a folder that it is in.",
                code="link-loop",
                fix="Remove the symbolic link; its clips were found by their own place.",
            )
        if here == self._out and trail:
            return None, None
        return here, None

    def _list(self, path: str, wanted: Wanted) -> _Listing:
        """What a folder holds, sorted; names that are not wanted are not even kept."""
        listing = _Listing()
        receipts: set[str] = set()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    name = entry.name
                    if is_receipt_name(name):
                        receipts.add(name)
                    elif not name.startswith("."):
                        _sort_in(entry, wanted, listing)
        except OSError as error:
            listing.bad[""] = foreign(error, path, "read")
        if receipts and self._skip_own:
            listing.clips = [n for n in listing.clips if not self._ours(path, n, receipts)]
            listing.folders = [n for n in listing.folders if not self._ours(path, n, receipts)]
        listing.folders.sort(key=sort_key)
        return listing

    def _items(self, listing: _Listing, path: str, subdir: str) -> Iterator[Item]:
        for name, problem in sorted(listing.bad.items()):
            yield Item(os.path.join(path, name) if name else path, subdir, problem)
        for name in clip_names(listing.clips):
            full = os.path.join(path, name)
            yield Item(full, subdir, cannot_read(full))

    def _ours(self, path: str, name: str, receipts: set[str]) -> bool:
        beside = receipt_name(name)
        if beside not in receipts:
            return False
        receipt = read_receipt(os.path.join(path, beside))
        output = described(receipt, name) if receipt is not None else None
        if output is None:
            return False
        found = os.stat(os.path.join(path, name))
        mine = stat.S_ISDIR(found.st_mode) or output.get("size_bytes") == found.st_size
        self.skipped += mine
        return mine


def has_magic(text: str) -> bool:
    """True when a path is a pattern of the shell's kind."""
    return any(c in text for c in "*?[")


def cannot_read(path: str) -> RushesError | None:
    """What keeps a file (of a sequence, its first frame) from being read, if anything does."""
    sequence = Asset(path).sequence if "[" in path else None
    first = path if sequence is None else os.fspath(sequence.path(sequence.first))
    if os.access(first, os.R_OK, effective_ids=_EFFECTIVE):
        return None
    try:
        os.close(os.open(first, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        # The pattern's first frame may be missing: gaps are not an error of the list.
        return (
            None
            if sequence is not None and isinstance(error, FileNotFoundError)
            else foreign(error, path, "read")
        )
    return None


def _sort_in(entry: os.DirEntry[str], wanted: Wanted, listing: _Listing) -> None:
    """Put one entry where it belongs; the kind comes with the listing, so only links cost a look."""
    name = entry.name
    try:
        if entry.is_dir():
            listing.folders.append(name)
        elif not wanted(name):
            return
        elif entry.is_file():
            if "[" in name and Asset(f"/{name}").sequence is not None:
                listing.bad[name] = like_a_pattern(entry.path)
            else:
                listing.clips.append(name)
        else:
            listing.bad[name] = not_a_file(entry.path)
    except OSError as error:
        listing.bad[name] = foreign(error, entry.path, "read")


def not_a_file(path: str) -> RushesError:
    """What is wrong with something that is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return CallerError(
            f"{shown(path)} is a symbolic link to nothing: {shown(os.readlink(path))} does not exist.",  # noqa: PTH115
            code="dangling-link",
            fix="Remove the link, or bring back what it names.",
        )
    except OSError as error:
        return foreign(error, path, "read")
    kinds = {
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return CallerError(
        f"{shown(path)} is {kinds.get(stat.S_IFMT(mode), 'no regular file')}, not a media file.",
        code="not-a-file",
        fix="Copy what it gives to a file first. To pass a list of clips through a pipe, give `-`.",
    )


def like_a_pattern(path: str) -> RushesError:
    """What is wrong with an image file that a pattern could not be told from."""
    return CallerError(
        f"the image {shown(path)} is named like a sequence pattern.",
        code="ambiguous-name",
        fix="Rename it: [1-2] in an image's name stands for frames 1 to 2.",
    )


def _is_media(name: str) -> bool:
    return suffix_of(name) in MEDIA_SUFFIXES


def _nothing(_name: str) -> bool:
    return False


def _below(path: str, subdir: str, folders: list[str]) -> Iterator[tuple[str, str]]:
    for name in folders:
        yield os.path.join(path, name), _join(subdir, name)


def _join(subdir: str, name: str) -> str:
    return f"{subdir}/{name}" if subdir else name


@lru_cache(maxsize=64)
def _matcher(part: str) -> Wanted:
    if not has_magic(part):
        return lambda name: name == part
    found = re.compile(translate(part))
    return lambda name: found.match(name) is not None
