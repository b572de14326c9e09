"""Which clips are ready once an object has come: itself, with its sidecar, or with all that a manifest lists.

A manifest is a file of a given name beside a clip, or in a folder above it, that lists what belongs together,
by paths below its own folder. Whatever comes last, the list or a clip, finds the rest there; so nothing is
remembered between two events. This module must not know what is done with a clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rushes.engines.aws.notices.events import Asked
from rushes.errors import CallerError
from rushes.media_kinds import suffix_of
from rushes.runtime.shared.objects.frames import frames_of, look_clip
from rushes.storage.s3_uri import place_of, uri_of
from rushes.temporary import temporary_folder

if TYPE_CHECKING:
    from rushes.ports import Store
    from rushes.stored import Stored
    from rushes.triggers import Match, OnS3

__all__ = ["ready"]


def ready(store: Store, trigger: OnS3, match: Match, asked: Asked) -> list[Stored]:
    """The clips that may start, now that an object has come; those that are gone again are not among them."""
    if match.manifest:
        return _of_manifest(store, trigger, match, asked.bucket)
    if match.source:
        source = _look(store, uri_of(asked.bucket, match.source, asked.version))
        beside = not match.sidecar or _beside(store, asked.bucket, match.sidecar)
        return [source] if source is not None and beside else []
    stem = match.sidecar.rpartition(".")[0]
    for one in store.listing(uri_of(asked.bucket, f"{stem}.")):
        if trigger.is_clip(one.uri):
            found = _look(store, one.uri)
            return [] if found is None else [found]
    return []


def _beside(store: Store, bucket: str, sidecar: str) -> bool:
    """Whether a sidecar is there, its extension in either case."""
    stem, _, suffix = sidecar.rpartition(".")
    there = store.listing(uri_of(bucket, f"{stem}."))
    return any(one.uri.lower().endswith(f".{suffix.lower()}") for one in there)


def _of_manifest(store: Store, trigger: OnS3, match: Match, bucket: str) -> list[Stored]:
    if not match.source:  # the list itself has come
        manifests: Iterator[str] = iter([match.manifest])
    else:
        manifests = _above(match.source, match.manifest, trigger.prefix)
    for key in manifests:
        if _look(store, uri_of(bucket, key)) is None:
            continue
        listed = _listed(store, bucket, key)
        uris = [f"s3://{bucket}/{one}" for one in listed]
        needed = {frame for one in uris for frame in frames_of(one) or [one]}
        if not match.source or f"s3://{bucket}/{match.source}" in needed:
            return _wanted(store, trigger, bucket, listed) if _all_there(store, bucket, key, needed) else []
    return []


def _above(source: str, name: str, prefix: str) -> Iterator[str]:
    """Where the manifest of a clip may be, the nearest first, within what the trigger begins with."""
    folder = source
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        key = f"{folder}/{name}"
        if not key.lower().startswith(prefix.lower()):
            return
        yield key
    if not prefix:
        yield name


def _listed(store: Store, bucket: str, key: str) -> list[str]:
    """The keys that a manifest lists; a line that names nothing makes it wait, as something is missing."""
    from rushes.runtime.sources.manifest import lines_of  # noqa: PLC0415 - csv and json, for manifests alone

    home = key.rpartition("/")[0]
    with temporary_folder("manifest") as folder:
        place = folder / f"manifest{suffix_of(key)}"
        store.fetch(uri_of(bucket, key), place)
        lines = list(lines_of(str(place), suffix_of(key)))
    return [f"{home}/{line.source}".lstrip("/") if line.problem is None else "" for line in lines]


def _all_there(store: Store, bucket: str, key: str, needed: set[str]) -> bool:
    """Whether all that a manifest lists is there, with every frame."""
    home = key.rpartition("/")[0]
    below = store.listing(uri_of(bucket, f"{home}/") if home else f"s3://{bucket}/")
    there = {f"s3://{bucket}/{place_of(one.uri).key}" for one in below}
    return bool(needed) and there.issuperset(needed)


def _wanted(store: Store, trigger: OnS3, bucket: str, listed: list[str]) -> list[Stored]:
    """The clips of a manifest that a trigger wants."""
    wanted = [
        one for one in dict.fromkeys(listed) if (m := trigger.match(bucket, one)) is not None and m.source
    ]
    found = (_look(store, uri_of(bucket, one)) for one in wanted)
    return [one for one in found if one is not None]


def _look(store: Store, uri: str) -> Stored | None:
    try:
        return look_clip(store, uri)
    except CallerError as error:
        if error.code == "not-found":  # it was removed again
            return None
        raise
