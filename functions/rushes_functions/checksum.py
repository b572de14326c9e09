"""Checksum: the digest of all bytes of a clip, as manifests of the trade name it."""

from __future__ import annotations

from pydantic import Field

from rushes import Asset, Context, Params, Resources, Result, function
from rushes.media.describing.checksum import Algorithm, digest, files_of
from rushes.media.readers.guard import check_source

__all__ = ["ChecksumParams", "ChecksumResult", "checksum"]


class ChecksumParams(Params):
    """Options of `checksum`."""

    algorithm: Algorithm = Field("sha256", description="Which digest: sha256, sha1, md5 or blake2b.")


class ChecksumResult(Result):
    """The digest of a clip."""

    algorithm: str
    value: str
    size_bytes: int
    files: int = 1


@function(
    version="1", resources=Resources(cpu=1, memory="256MiB"), retries=2, reads_name=False, frame_ranges=False
)
def checksum(clip: Asset, params: ChecksumParams, ctx: Context) -> ChecksumResult:
    """Digest all bytes of a clip; of an image sequence, those of all its frames in order."""
    check_source(clip)
    files = files_of(clip)
    found = digest(files, params.algorithm, told=ctx.progress)
    size = sum(path.stat().st_size for path in files)
    return ChecksumResult(algorithm=found.algorithm, value=found.value, size_bytes=size, files=len(files))
