"""Describe one clip: a reader opens it, in a process of its own, and says what it is (`description.py`).

Header-only by default: a file of 500 GB costs a few reads. Sources are opened read-only, by demuxers on the
allow-list. Whoever asks imports nothing of what answers: a Lambda's first call waits for every module.
"""

from __future__ import annotations

import os

from rushes.asset import Asset
from rushes.media.describing.described import remember
from rushes.media.describing.schema import MediaInfo
from rushes.media.readers.questions import ask_about
from rushes.media.readers.ranged import RangedAsset

__all__ = ["describe"]


def describe(
    asset: Asset | str | os.PathLike[str],
    *,
    count_frames: bool = False,
    checksum: str | None = None,
    deep: bool = False,
) -> MediaInfo:
    """Everything that can be found out about one clip without decoding it.

    Args:
        asset: a local file or an image sequence.
        count_frames: read all packets: true counts and durations, VFR for certain, timestamps that jump.
        checksum: also digest all bytes: sha256, sha1, md5 or blake2b.
        deep: also decode the first frame, with PyAV and with the encoding build, and say where they disagree.

    Raises:
        CallerError: the file is missing, unreadable or no regular file; the checksum is unknown.
        MediaError: it is no media, is damaged beyond opening, or is refused.
    """
    clip = Asset.of(asset)
    # The name first: taking a pattern apart costs more than looking for a bracket.
    if "[" in clip.uri and _is_sequence(clip):
        from rushes.media.describing.stills import describe_sequence  # noqa: PLC0415 - only for sequences

        info = describe_sequence(clip, checksum=checksum)
    else:
        info = _describe_file(clip, count_frames=count_frames)
        if checksum is not None:
            from rushes.media.describing.checksum import digest  # noqa: PLC0415 - few ask for it

            info = info.model_copy(update={"checksum": digest([clip.path], checksum)})
    if deep:
        from rushes.media.describing.second_look import look_closer  # noqa: PLC0415 - decodes, starts ffmpeg

        info = look_closer(clip, info)
    remember(clip.uri, info)
    return info


def _is_sequence(clip: Asset) -> bool:
    """Whether a clip is an image sequence, and no file that is called like one."""
    if isinstance(clip, RangedAsset) or clip.sequence is None:
        return False
    return not os.path.lexists(clip.path)


def _describe_file(clip: Asset, *, count_frames: bool) -> MediaInfo:
    path = clip.local or clip.uri
    if not path.startswith("/") and not isinstance(clip, RangedAsset):
        path = os.path.abspath(clip.path)  # noqa: PTH100 - resolve() would follow links
    return ask_about(
        "describe",
        clip,
        path,
        MediaInfo.model_validate_json,
        arguments={"count_frames": count_frames},
        brief=not count_frames,
    )
