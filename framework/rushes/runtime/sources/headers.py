"""Reading the headers of many clips: side by side, and each only once, whatever it is called.

The key is the clip's fingerprint, so a clip that has changed is read again. This module must not know what
headers are read for, nor where they are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, NamedTuple, Protocol

from rushes.asset import Asset
from rushes.errors import RushesError
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.running.cores import usable_cores

__all__ = ["AskedHeader", "Header", "KeptHeaders", "read_headers"]

# Each has a reader process of its own, and the asking itself takes turns on one core: more do not help.
_MOST_AT_ONCE: Final = 4
_PAGE: Final = 512


class KeptHeaders(Protocol):
    """Where headers are kept, by fingerprint."""

    def known(self, fingerprints: Sequence[str]) -> Mapping[str, bytes]:
        """The headers, as JSON, of those that are kept."""

    def keep(self, headers: Mapping[str, bytes]) -> None:
        """Keep these too; those that were kept longest ago may go."""


class AskedHeader(NamedTuple):
    """A clip whose header is wanted; without a fingerprint it is not looked for among what is kept."""

    clip: Asset
    fingerprint: str = ""


class Header(NamedTuple):
    """What a clip's header says, or why it cannot be read."""

    clip: Asset
    info: MediaInfo | None
    error: RushesError | None = None


def read_headers(asked: Iterable[AskedHeader], kept: KeptHeaders) -> Iterator[Header]:
    """The headers of clips, in their order."""
    stream = iter(asked)
    with ThreadPoolExecutor(min(max(round(usable_cores()), 1), _MOST_AT_ONCE)) as readers:
        while page := list(islice(stream, _PAGE)):
            known = kept.known([one.fingerprint for one in page if one.fingerprint])
            new = [one for one in page if one.fingerprint not in known]
            read = dict(zip(new, readers.map(_read, new), strict=True))
            kept.keep(
                {
                    one.fingerprint: header.info.model_dump_json().encode()
                    for one, header in read.items()
                    if header.info is not None and one.fingerprint
                }
            )
            for one in page:
                found = read.get(one)
                yield found or Header(one.clip, MediaInfo.model_validate_json(known[one.fingerprint]))


def _read(asked: AskedHeader) -> Header:
    try:
        return Header(asked.clip, describe(asked.clip))
    except RushesError as error:
        return Header(asked.clip, None, error)
