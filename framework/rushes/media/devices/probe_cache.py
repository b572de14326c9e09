"""What encodes here, without finding it out again each time.

A probe holds as long as the builds, the drivers and the device nodes are the same, all of which is known
without starting anything. What may pass (a card that was full or sick) is believed for ten minutes only. The
cache is one file, replaced whole; a file that cannot be read is as good as none. This module must not know
how an encoder is tried.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

from rushes.errors import RushesError
from rushes.media.devices.capability import SCHEMA, Capability, Curve, TriedBuild
from rushes.media.devices.device_nodes import Nodes, find_devices, look
from rushes.media.devices.probe import LIMIT_S, builds_of, findings, lanes
from rushes.media.devices.trial_rows import FAMILIES
from rushes.media.quality.curves import QualityCurve
from rushes.media.running.builds import Build, build_path, named_families

__all__ = [
    "believed",
    "cache_folder",
    "capability",
    "curves",
    "keep_curves",
    "keep_quality_curves",
    "kept",
    "probe",
    "probe_key",
    "quality_curves",
]

_PASSING_HOLDS_S: Final = 600.0
_PROBE: Final = "encoders.json"
_CURVES: Final = "encoder-curves.json"
_QUALITY: Final = "encoder-quality.json"

T = TypeVar("T")


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where probes and calibrations are kept: in `RUSHES_HOME`, else in this user's cache folder."""
    if home := environ.get("RUSHES_HOME"):
        return Path(home).expanduser().absolute()
    cache = environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path("~/.cache").expanduser()) / "rushes"


def probe_key(environ: Mapping[str, str], nodes: Nodes) -> str:
    """Digest of all that a probe's findings depend on and that can be seen without starting anything."""
    seen = [SCHEMA, [_stat(build_path(family, environ)) for family in FAMILIES], asdict(nodes)]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def believed(found: Capability, key: str, now: float) -> bool:
    """Whether an old probe still holds (pure)."""
    if found.key != key:
        return False
    return not found.passing or 0 <= now - found.probed_at < _PASSING_HOLDS_S


def capability(environ: Mapping[str, str], now: float) -> Capability:
    """What encodes on this host: as it was found, or found now if that does not hold any more.

    Args:
        environ: names the builds (`RUSHES_FFMPEG`) and the folder.
        now: UTC epoch seconds.

    Raises:
        CallerError: `RUSHES_FFMPEG` names no ffmpeg for software encoders.
    """
    nodes = look()
    found = kept(environ)
    if found is not None and believed(found, probe_key(environ, nodes), now):
        return found
    return probe(environ, now, nodes=nodes)


def kept(environ: Mapping[str, str]) -> Capability | None:
    """The last probe, whether it holds or not; None where there is none that can be read."""
    return _read(cache_folder(environ) / _PROBE, Capability.from_json)


def probe(
    environ: Mapping[str, str],
    now: float,
    *,
    every: bool = False,
    nodes: Nodes | None = None,
    limit_s: float = LIMIT_S,
) -> Capability:
    """Try what encodes on this host, and keep it.

    Args:
        environ: names the builds (`RUSHES_FFMPEG`) and the folder.
        now: UTC epoch seconds.
        every: try the encoders of families that no device is seen of, too.
        nodes: what `look` saw; None to look now.
        limit_s: seconds that one trial may take.

    Raises:
        CallerError: `RUSHES_FFMPEG` names no ffmpeg for software encoders.
    """
    nodes = look() if nodes is None else nodes
    key = probe_key(environ, nodes)  # before: a build that is replaced meanwhile makes it old
    builds = builds_of(environ)
    if isinstance(builds["software"], RushesError):
        raise builds["software"]
    devices = find_devices(nodes)
    plan = lanes(builds, devices, every=every, named=named_families(environ))
    found = Capability(
        builds=_facts(builds),
        drivers=dict(nodes.drivers),
        devices=devices,
        findings=findings(plan, limit_s),
        key=key,
        probed_at=now,
        thorough=every,
    )
    _write(cache_folder(environ) / _PROBE, found.to_json())
    return found


def curves(environ: Mapping[str, str], key: str) -> tuple[Curve, ...]:
    """The calibration that was made of a probe with this key; empty where there is none."""

    def read(data: Mapping[str, Any]) -> tuple[Curve, ...]:
        if data.get("schema") != SCHEMA or data.get("key") != key:
            return ()
        return tuple(Curve.from_json(one) for one in data["curves"])

    return _read(cache_folder(environ) / _CURVES, read) or ()


def keep_curves(environ: Mapping[str, str], key: str, measured: Iterable[Curve]) -> None:
    """Keep a calibration of a probe beside it."""
    data = {"schema": SCHEMA, "key": key, "curves": [one.to_json() for one in measured]}
    _write(cache_folder(environ) / _CURVES, data)


def quality_curves(environ: Mapping[str, str], key: str) -> tuple[QualityCurve, ...]:
    """What the quality values of the devices of that probe were measured to be worth; empty where not."""

    def read(data: Mapping[str, Any]) -> tuple[QualityCurve, ...]:
        if data.get("schema") != SCHEMA or data.get("key") != key:
            return ()
        return tuple(QualityCurve.from_json(one) for one in data["curves"])

    return _read(cache_folder(environ) / _QUALITY, read) or ()


def keep_quality_curves(environ: Mapping[str, str], key: str, measured: Iterable[QualityCurve]) -> None:
    """Keep them beside the probe."""
    data = {"schema": SCHEMA, "key": key, "curves": [one.to_json() for one in measured]}
    _write(cache_folder(environ) / _QUALITY, data)


def _facts(builds: Mapping[str, Build | RushesError]) -> tuple[TriedBuild, ...]:
    by_path: dict[Path, list[str]] = {}
    for family, build in builds.items():
        if isinstance(build, Build):
            by_path.setdefault(build.path, []).append(family)
    found = []
    for path, families in by_path.items():
        status = path.stat()
        build = builds[families[0]]
        version = build.version if isinstance(build, Build) else ""
        found.append(TriedBuild(tuple(families), str(path), status.st_size, status.st_mtime_ns, version))
    return tuple(found)


def _stat(path: Path | None) -> list[Any]:
    try:
        status = path.stat() if path is not None else None
    except OSError:
        status = None
    return [str(path), status.st_size, status.st_mtime_ns] if status is not None else [str(path)]


def _read(path: Path, make: Callable[[Mapping[str, Any]], T]) -> T | None:
    try:
        return make(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # another version's, half a file, no file: it is found again


def _write(path: Path, data: Mapping[str, Any]) -> None:
    """Replaces the file whole. A folder that cannot be written costs the next command a probe, no more."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file, indent=1)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
