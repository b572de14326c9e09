"""What was taken away under an attempt, where that and not its own error is what went wrong.

A tool whose folder has gone, or whose clip was overwritten, fails in a hundred ways, and most of them blame
somebody: the function that wrote no output, the clip that is damaged, the encoder that made another length.
This module must not know what the attempt does.
"""

from __future__ import annotations

from pathlib import Path

from rushes.asset import Asset
from rushes.errors import Cancelled, MediaError, PlatformError, RushesError

__all__ = ["undermined"]


def undermined(
    error: BaseException, *, gone: Path | None, source: Asset, fingerprint: str, scratch: Path | None = None
) -> RushesError | None:
    """The error in whose place the first cause is told; None where nothing was taken away.

    Args:
        error: what the attempt failed of.
        gone: its scratch folder, if that was removed.
        source: its clip.
        fingerprint: what that was when the attempt began; "" where nobody looked.
        scratch: where it wrote: tools say of a full disk that it is full, and not which.
    """
    if not isinstance(error, Exception) or isinstance(error, Cancelled):
        return None
    if gone is not None:
        return PlatformError(
            f"{gone} was removed while it was worked in.",
            code="io-error",
            fix="It is tried again by itself; leave the folder of outputs alone while a batch runs.",
        )
    if isinstance(error, PlatformError) and error.code == "disk-full" and scratch is not None:
        return PlatformError(
            f"no space left on the disk of {scratch}.",
            code="disk-full",
            fix="Free some space, or choose another --out; `rushes retry` takes up what has failed for good.",
            details=error.details,
        )
    if not fingerprint or (isinstance(error, RushesError) and error.kind in {"caller", "policy"}):
        return None
    from rushes.runtime.sources.source import recheck_source  # noqa: PLC0415 - of an attempt that failed alone

    try:
        recheck_source(source, fingerprint)
    except MediaError as changed:
        return changed
    return None
