"""What is known of this host without trying anything: the last probe, while it holds, and what was measured.

An encode asks this; `rushes encoders` is what finds it out. This module must not know what is done with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from rushes.media.devices.device_nodes import look
from rushes.media.devices.probe_cache import believed, curves, kept, probe_key, quality_curves
from rushes.media.devices.tries import KnownHost
from rushes.media.running.builds import named_families

__all__ = ["known_host"]


def known_host(environ: Mapping[str, str], now: float) -> KnownHost:
    """The host as it was last probed; without a probe that holds, only what the environment names.

    Args:
        environ: names the builds (`RUSHES_FFMPEG`) and the folder of the cache.
        now: UTC epoch seconds.
    """
    named = named_families(environ)
    found = kept(environ)
    if found is None or not believed(found, probe_key(environ, look()), now):
        return KnownHost(named=named)
    return KnownHost(found, curves(environ, found.key), named, worth=quality_curves(environ, found.key))
