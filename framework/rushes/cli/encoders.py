"""`encoders`: what encodes on this host, as tried, and how fast.

This module must not know how an encoder is tried.
"""

from __future__ import annotations

import json
import os
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.cli.show import counted, table
from rushes.errors import CallerError
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.media.devices.capability import Capability, Curve, Finding

__all__ = ["encoders"]

# A terminal that is narrower folds lines by itself.
_WIDTH: Final = 80
_INDENT: Final = "  "


@click.command()
@click.option(
    "--probe", "anew", is_flag=True, help="Try again, and try families without a device to be seen."
)
@click.option("--cached", is_flag=True, help="Say what was found last, and try nothing.")
@click.option(
    "--calibrate",
    is_flag=True,
    help="Measure how fast each is that works, and what a device's quality values are worth; takes minutes.",
)
@click.option(
    "--clip",
    "clips",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="With --calibrate: measure quality on this footage (repeatable).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def encoders(
    ctx: click.Context, /, *, anew: bool, cached: bool, calibrate: bool, clips: tuple[str, ...], as_json: bool
) -> None:
    """Say which encoders work here, and why others do not.

    Each is tried with a real encode of one frame, on each device. What was found is kept as long as ffmpeg,
    drivers and devices are the same.
    """
    from rushes.media.devices.probe_cache import capability, curves, kept, probe, quality_curves  # noqa: PLC0415

    if clips and not calibrate:
        raise click.UsageError("--clip is what --calibrate measures with.", ctx)
    if cached and (anew or calibrate):
        raise click.UsageError("--cached tries nothing: it goes with neither --probe nor --calibrate.", ctx)
    now = time.time()
    if cached:
        found = kept(os.environ)
        if found is None:
            raise CallerError(
                "nothing has been tried on this machine yet.",
                code="not-probed",
                fix="Leave --cached out.",
            )
    else:
        found = probe(os.environ, now, every=True) if anew else capability(os.environ, now)
    measured = _calibrate(found, clips) if calibrate else curves(os.environ, found.key)
    worth = quality_curves(os.environ, found.key)
    stands = _standings(found)
    if as_json:
        told = {"curves": [one.to_json() for one in measured], "quality": [one.to_json() for one in worth]}
        click.echo(json.dumps({**found.to_json(), **told, "standings": stands}))
        return
    for line in _lines(found, measured, stands):
        click.echo(line)
    if worth:
        names = ", ".join(dict.fromkeys(one.encoder for one in worth))
        click.echo("\n".join(["", *_folded(f"What quality is worth was measured here for {names}.", "")]))


def _standings(found: Capability) -> Mapping[str, Mapping[str, Any]]:
    if not found.devices:
        return {}
    from rushes.media.devices.device_report import standings  # noqa: PLC0415 - where there is a device alone
    from rushes.media.devices.ledger import open_ledger  # noqa: PLC0415

    return standings(open_ledger(os.environ), found.devices)


def _calibrate(found: Capability, clips: Sequence[str]) -> Sequence[Curve]:
    from rushes.media.devices.calibration import calibrate  # noqa: PLC0415
    from rushes.media.devices.probe_cache import keep_curves, keep_quality_curves  # noqa: PLC0415
    from rushes.media.measuring.quality_calibration import calibrate_quality  # noqa: PLC0415
    from rushes.media.running.builds import find_build  # noqa: PLC0415 - the media stack

    def compares(one: Finding) -> None:
        click.echo(f"measuring the quality of {one.encoder} on {one.device}", err=True)

    def say(one: Finding) -> None:
        click.echo(f"measuring {one.encoder} ({one.depth} bits) on {one.device}", err=True)

    measured = calibrate(found, find_build, say=say)
    keep_curves(os.environ, found.key, measured)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    worth = calibrate_quality(found, find_build, clips=[*map(Path, clips)], say=compares, day=day)
    keep_quality_curves(os.environ, found.key, worth)
    return measured


def _lines(
    found: Capability, measured: Sequence[Curve], stands: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for build in found.builds:
        yield f"ffmpeg {printable(build.version)} ({', '.join(build.families)})"
    for device in found.devices:
        known = ", ".join(filter(None, (device.model, device.path, device.driver)))
        yield f"{device.name}  {printable(known)}".rstrip()
        if device.name in stands:
            yield from _folded(printable(stands[device.name]["line"]), _INDENT)
    yield ""
    works: dict[tuple[str, str, str], list[Finding]] = {}
    for one in found.working():
        works.setdefault((one.device, one.encoder, one.codec), []).append(one)
    speeds = {(c.device, c.encoder, c.codec, c.depth): c for c in measured}
    rows = [_row(ones, speeds) for ones in works.values()]
    head = ["family", "device", "encoder", "codec", "bits", "Mpixel/s"]
    yield table(head, rows, right=frozenset({5})) if rows else "No encoder works here."
    if works and not measured:
        yield "\nNo speed is known yet: rushes encoders --calibrate measures it."
    yield from _failures(found)


def _row(ones: Sequence[Finding], speeds: Mapping[tuple[str, str, str, int], Curve]) -> list[Any]:
    first = ones[0]
    curve = next(
        (c for one in ones if (c := speeds.get((one.device, one.encoder, one.codec, one.depth)))), None
    )
    # Of full HD, which is what the figures of vendors are about, or of the one size that it takes.
    size = (1920, 1080)
    if curve is not None and len(curve.points) == 1:
        size = (curve.points[0].width, curve.points[0].height)
    speed = f"{curve.pixels_per_s(*size) / 1e6:.1f}" if curve is not None else ""
    bits = "/".join(str(one.depth) for one in ones)
    return [first.family, first.device, first.encoder, first.codec, bits, speed]


def _failures(found: Capability) -> Iterator[str]:
    """What does not work: a reason, and whom it concerns, said once."""
    why: dict[tuple[str, str], list[Finding]] = {}
    for one in found.findings:
        if not one.works:
            why.setdefault((one.device, one.why), []).append(one)
    if not why:
        return
    yield f"\n{click.style('Does not work', bold=True)}"
    for (device, reason), ones in why.items():
        names: dict[str, list[str]] = {}
        for one in ones:
            names.setdefault(one.encoder, []).append(str(one.depth))
        told = ", ".join(f"{name} ({'/'.join(depths)} bits)" for name, depths in names.items())
        if all(one.code == "no-device" and one.seconds == 0 for one in ones):
            told = counted(len(names), "encoder", "encoders")
        yield from _folded(f"{device}  {printable(told)}", "")
        yield from _folded(printable(reason), _INDENT)


def _folded(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH - 1,
        initial_indent=indent,
        subsequent_indent=f"{indent}{_INDENT}",
        break_on_hyphens=False,
    )
