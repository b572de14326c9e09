"""`doctor`: what Rushes needs on this machine, each found well, doubtful or broken, with what mends it.

It looks and changes nothing, starts no worker, and goes on after a check that fails. This module must not
know what functions do.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from rushes import __version__
from rushes.cli.session import Session
from rushes.cli.show import counted
from rushes.errors import RushesError
from rushes.units import format_size

if TYPE_CHECKING:
    from rushes.runtime.configuration.settings import Settings

__all__ = ["Check", "checks", "doctor"]

Level = Literal["ok", "warn", "fail"]
_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
# The journal of a million invocations is some hundred MB; the reserve that keeps a full disk from wedging
# it comes on top.
_LITTLE_HOME: Final = 2 * 1024**3
_NO_HOME: Final = 200 * 1024**2
# A 4K mezzanine of a minute is a few GB.
_LITTLE_SCRATCH: Final = 10 * 1024**3
_OLDEST_FFMPEG: Final = 5
# What a tool that goes wrong can still reach. All levels have rlimits and the watchdog.
_BOXES: Final[Mapping[str, str]] = {
    "bubblewrap+landlock": "tools see their own files and no network, behind two walls",
    "bubblewrap": "tools see their own files and no network",
    "landlock": "tools open their own files only; networks are closed to them in part",
    "rlimits": "tools run under limits and a watchdog; your files and your network are within their reach",
}
# What a file that takes over the process which inspects and verifies can reach from there.
_READERS: Final[Mapping[str, str]] = {
    "landlock+seccomp": "PyAV opens no file and no socket, behind two walls",
    "seccomp": "PyAV opens no file and no socket",
    "landlock": "PyAV opens no file; networks are closed to it in part",
    "rlimits": "PyAV runs in a process of its own under limits; your files and your network are within its "
    "reach",
}


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it was found, and what mends it."""

    name: str
    level: Level
    says: str
    fix: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a check.")
@click.pass_context
def doctor(ctx: click.Context, /, *, as_json: bool) -> None:
    """Check what Rushes needs on this machine; the exit code is 1 when something is broken."""
    found = checks(ctx.obj, os.environ)
    for one in found:
        if as_json:
            click.echo(json.dumps(asdict(one)))
            continue
        click.echo(
            f"{click.style(one.level.ljust(4), fg=_COLOURS[one.level])}  {one.name.ljust(9)}  {one.says}"
        )
        if one.fix:
            click.echo(f"{' ' * 17}{one.fix}")
    ctx.exit(1 if any(one.level == "fail" for one in found) else 0)


def checks(session: Session, environ: Mapping[str, str]) -> list[Check]:
    """Every check, in the order in which they are shown."""
    steps: list[tuple[str, Callable[[], list[Check]]]] = [
        ("python", _python),
        ("ffmpeg", lambda: _ffmpeg(environ)),
        ("encoders", lambda: _encoders(environ)),
        ("pyav", _pyav),
        ("home", lambda: _home(environ)),
        ("scratch", _scratch),
        ("box", lambda: _box(environ)),
        ("reader", _reader),
        ("prices", lambda: _prices(environ)),
        ("classes", lambda: _classes(environ)),
        ("capacity", lambda: _capacity(environ)),
        ("worker", lambda: _worker(session)),
        ("functions", _functions),
    ]
    found: list[Check] = []
    for name, step in steps:
        try:
            found += step()
        except RushesError as error:
            found.append(Check(name, "fail", error.message, error.fix))
        except (ImportError, OSError) as error:
            found.append(Check(name, "fail", f"{type(error).__name__}: {error}", "Install Rushes again."))
    return found


def _python() -> list[Check]:
    where = f"{platform.python_version()} at {sys.executable}"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    found = [Check("rushes", "ok", __version__), Check("python", "ok", where)]
    if sys.platform == "linux":
        found.append(Check("system", "ok", system))
    elif sys.platform == "darwin":
        found.append(
            Check("system", "warn", f"{system}: the box around decoding is weaker here than on Linux")
        )
    else:
        found.append(Check("system", "fail", system, "Use Linux or macOS; on Windows, WSL 2."))
    return found


def _ffmpeg(environ: Mapping[str, str]) -> list[Check]:
    from rushes.media.running.builds import VARIABLE, bundled_ffmpeg, find_build, read_build  # noqa: PLC0415

    bundled = read_build(bundled_ffmpeg())
    found = [Check("ffmpeg", "ok", f"bundled {bundled.version}, {len(bundled.encoders)} encoders")]
    if environ.get(VARIABLE):
        build = find_build("software", environ)
        says = f"{VARIABLE}: {build.path} {build.version}"
        if build.major and build.major < _OLDEST_FFMPEG:
            found.append(Check("ffmpeg", "fail", says, f"Name ffmpeg {_OLDEST_FFMPEG} or newer."))
        elif "libx264" not in build.encoders:
            found.append(Check("ffmpeg", "warn", f"{says}, without libx264", "Most presets need libx264."))
        else:
            found.append(Check("ffmpeg", "ok", says))
    return found


def _encoders(environ: Mapping[str, str]) -> list[Check]:
    """What was found when they were last tried; nothing is tried for this."""
    from rushes.media.devices.probe_cache import kept  # noqa: PLC0415 - the media stack

    found = kept(environ)
    if found is None:
        return [Check("encoders", "ok", "not tried yet: `rushes encoders` does")]
    devices = list(dict.fromkeys(one.device for one in found.working()))
    says = f"{len({one.encoder for one in found.working()})} work, on {', '.join(devices) or 'nothing'}"
    idle = [device.name for device in found.devices if device.name not in devices]
    if idle:
        return [
            Check("encoders", "warn", f"{says}; none on {', '.join(idle)}", "`rushes encoders` says why.")
        ]
    return [Check("encoders", "ok", says)]


def _pyav() -> list[Check]:
    import av  # noqa: PLC0415 - the media stack

    versions: Any = av.library_versions
    codec = ".".join(str(part) for part in versions.get("libavcodec", ()))
    return [Check("pyav", "ok", f"{av.__version__}, libavcodec {codec}")]


def _home(environ: Mapping[str, str]) -> list[Check]:
    from rushes.runtime.configuration.settings import settings_from  # noqa: PLC0415 - makes the folders

    settings = settings_from(environ)
    found = []
    if settings.moved:
        found.append(Check("journal", "warn", settings.moved, "Set RUSHES_HOME to a folder on a local disk."))
    else:
        found.append(Check("journal", "ok", f"{settings.home}, on a local file system"))
    free = shutil.disk_usage(settings.home).free
    says = f"{format_size(free)} free for journal and logs"
    if free < _NO_HOME:
        found.append(Check("disk", "fail", says, "Free some space, or set RUSHES_HOME to another disk."))
    elif free < _LITTLE_HOME:
        found.append(Check("disk", "warn", says, "Large batches need more: `rushes journal prune`."))
    else:
        found.append(Check("disk", "ok", says))
    found.append(_pool(settings))
    return found


def _pool(settings: Settings) -> Check:
    return Check("pool", "ok", f"{settings.cpu:g} cores, {format_size(settings.memory_bytes)}")


def _scratch() -> list[Check]:
    folder = Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=folder):
        free = shutil.disk_usage(folder).free
    says = f"{folder}, {format_size(free)} free; outputs are made beside where they go"
    if free < _LITTLE_SCRATCH:
        return [Check("scratch", "warn", says, "Set TMPDIR to a larger disk for functions that use scratch.")]
    return [Check("scratch", "ok", says)]


def _box(environ: Mapping[str, str]) -> list[Check]:
    import resource  # noqa: PLC0415 - not on every platform

    from rushes.media.running.box import LEVELS, find_box  # noqa: PLC0415 - as the other parts of the media core

    box = find_box(environ)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = "" if hard == resource.RLIM_INFINITY else f"; this account may use {format_size(hard)} at most"
    says = f"{box.level}: {_BOXES[box.level]}{limit}"
    if box.level in LEVELS[:2]:
        return [Check("box", "ok", f"{says} ({box.why})" if box.why else says)]
    why = box.why or "RUSHES_BOX asks for it"
    return [
        Check(
            "box",
            "warn",
            f"{says} ({why})",
            "Install bubblewrap, and allow unprivileged user namespaces (docs/explanation/media-safety.md).",
        )
    ]


def _reader() -> list[Check]:
    from rushes.media.describing.own_clip import why_unread  # noqa: PLC0415 - as the other parts
    from rushes.media.readers.reader import walls  # noqa: PLC0415 - as the other parts of the media core

    held = walls()
    if wrong := why_unread():
        fix = "Install Rushes again: it brings a PyAV that it was tried with."
        return [Check("reader", "fail", f"a clip of our own cannot be read: {wrong}", fix)]
    says = f"{held}: {_READERS[held]}"
    if "seccomp" in held:
        return [Check("reader", "ok", says)]
    fix = "Run Rushes on Linux 5.13 or newer, or in a container (docs/explanation/media-safety.md)."
    return [Check("reader", "warn", says, fix)]


def _prices(environ: Mapping[str, str]) -> list[Check]:
    from rushes.core.money import NANO, format_dollars  # noqa: PLC0415 - only here
    from rushes.runtime.configuration.costing import machine_price  # noqa: PLC0415
    from rushes.runtime.configuration.machine import capacity_of  # noqa: PLC0415
    from rushes.runtime.configuration.settings import settings_from  # noqa: PLC0415

    settings = settings_from(environ)
    price = machine_price(settings, environ, capacity_of(settings))
    tier = price.tier
    says = f"this machine is tier {tier.name}: {format_dollars(tier.hour_nano)} an hour"
    if tier.busy_milliwatts is not None:
        says += f", {(tier.idle_milliwatts or 0) / 1000:g} to {tier.busy_milliwatts / 1000:g} W"
    if price.kwh_nano:
        says += f" at {price.kwh_nano / NANO:g} $/kWh"
    return [Check("prices", "ok", says if price.counted else f"{says}; nothing is counted")]


def _classes(environ: Mapping[str, str]) -> list[Check]:
    from rushes.runtime.configuration.class_file import class_file  # noqa: PLC0415 - only here

    file = class_file(environ)
    if file is None:
        return []
    return [Check("classes", "ok", f"{', '.join(one.name for one in file.read())}, by {file.path}")]


def _capacity(environ: Mapping[str, str]) -> list[Check]:
    from rushes.runtime.configuration.capacity_file import capacity_file  # noqa: PLC0415 - only here
    from rushes.runtime.configuration.settings import settings_from  # noqa: PLC0415

    file = capacity_file(environ)
    if file is None:
        return []
    tier, policy = settings_from(environ).tier, file.read()
    mine = next((fleet for fleet in policy.scaling.fleets if fleet.tier == tier), None)
    if mine is None:
        says = f"{file.path} has no fleet {tier!r}, which this machine is: the pool has the whole machine"
        return [Check("capacity", "warn", says, "Name the fleet after RUSHES_TIER, or unset either.")]
    return [Check("capacity", "ok", f"{mine.minimum} to {mine.maximum} slots of {tier}, by {file.path}")]


def _worker(session: Session) -> list[Check]:
    engine = session.engine()
    if not engine.running():
        return [Check("worker", "ok", "none runs; the next `rushes run` starts one")]
    pool = engine.pool()
    worker = pool["worker"]
    says = f"runs as {worker['pid']}, {counted(len(pool.get('slots') or []), 'slot')}"
    if worker["version"] != __version__:
        return [
            Check(
                "worker",
                "warn",
                f"{says}, of version {worker['version']}",
                "`rushes drain`: the next command starts this one.",
            )
        ]
    if pool.get("low_on_space"):
        return [Check("worker", "fail", f"{says}; held: its disk is nearly full", "Free some space.")]
    if pool.get("draining"):
        return [
            Check("worker", "warn", f"{says}; draining", "It ends with what runs; `rushes resume` goes on.")
        ]
    if pool.get("paused"):
        return [Check("worker", "warn", f"{says}; paused", "`rushes resume` goes on.")]
    return [Check("worker", "ok", says)]


def _functions() -> list[Check]:
    from rushes.catalog import installed  # noqa: PLC0415 - reads the metadata of every distribution

    names = [one.name for one in installed()]
    if not names:
        return [
            Check("functions", "warn", "none is installed", "Install Rushes with pip, in this environment.")
        ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return [
            Check(
                "functions",
                "warn",
                f"{', '.join(twice)} come from two distributions",
                "Uninstall one, or name it as package.module:name.",
            )
        ]
    return [Check("functions", "ok", f"{len(names)} installed")]
