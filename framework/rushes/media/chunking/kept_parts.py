"""Where the parts of a chunked encode lie until their result is there, under names that follow from it.

So an attempt that begins anew finds what the one before it had finished. This module must not know who makes
parts.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rushes.asset import Asset
from rushes.media.chunking.cutting import Clip
from rushes.media.encoding.encode_folder import own_folder
from rushes.media.profile import Profile
from rushes.media.running.process import Supervision

__all__ = ["digest_of", "digest_of_parts", "kept_folders"]


@contextmanager
def kept_folders(supervision: Supervision, keep: Path | None, digest: str) -> Iterator[tuple[Path, Path]]:
    """Where finished parts are kept until the result is there, and a folder of this call's own.

    The first has a name that follows from what is encoded, so that a later call finds what an earlier one
    had finished.
    """
    with own_folder(supervision.cwd) as own:
        if keep is None and supervision.cwd is None:
            yield own, own
            return
        kept = (keep or supervision.cwd or own) / f"chunks-{digest}"
        kept.mkdir(parents=True, exist_ok=True)
        yield kept, own
        if keep is None:
            shutil.rmtree(kept, ignore_errors=True)


def digest_of(source: Asset, profile: Profile) -> str:
    """A name for the encode of one clip, as it is now, to one profile."""
    status = source.path.stat()
    facts = (str(source.path), status.st_size, status.st_mtime_ns, profile.model_dump_json())
    return _hashed(facts)


def digest_of_parts(clip: Clip) -> str:
    """A name for its parts, as one build and one encoder make them."""
    build = clip.build.facts().values()
    return _hashed((clip.profile.model_dump_json(), *build, *(order.to_json() for order in clip.orders)))


def _hashed(facts: tuple[object, ...]) -> str:
    text = "\0".join(map(str, facts))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
