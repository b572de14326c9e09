"""`infra trial`: how a new version does beside the old one, and what a person makes of it.

This module must not know how versions are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from rushes.cli.infra_options import env_option, region_option
from rushes.core.money import format_dollars
from rushes.errors import CallerError
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.engines.aws.called.trial import Trials

__all__ = ["kept_trials", "trial", "trials_of"]


@click.command(short_help="How a new version does beside the old; decide.")
@env_option
@region_option
@click.option("--promote", is_flag=True, help="Let the new version have everything, whatever the rule says.")
@click.option("--back", is_flag=True, help="Let the new version have nothing more.")
@click.argument("function")
def trial(*, name: str, region: str, promote: bool, back: bool, function: str) -> None:
    """Say how the new version of FUNCTION does beside the old one, and what the rule makes of it."""
    from rushes.engines.aws.infra.environment import Environment  # noqa: PLC0415 - not for help

    if promote and back:
        raise CallerError(
            "--promote and --back exclude one another.", code="bad-value", fix="Say one of them."
        )
    trials = kept_trials(Environment(name, region).table, region)
    if promote or back:
        trials.decide(function, 100.0 if promote else 0.0)
    found = trials.of(function)
    if found is None:
        raise CallerError(
            f"there is no trial of {function} in {name}.",
            code="no-trial",
            fix="Deploy a new version with --trial.",
        )
    click.echo(f"version {found.new} has {found.share:g} % of the work. {printable(found.reason)}".rstrip())
    for place, both in trials.compared(function, found).items():
        for version, one in zip((found.old, found.new), both, strict=True):
            if not one.ended:
                click.echo(f"  {place:<6}  {version:<8} {0:>6} ended")
                continue
            mean_s, cost = one.turnaround_s / one.ended, format_dollars(round(one.cost_nano / one.ended))
            click.echo(
                f"  {place:<6}  {version:<8} {one.ended:>6} ended  {one.errors:>6.1%} failed  "
                f"{mean_s:>8.1f} s  {cost} each"
            )
    if found.share >= 100 and found.on_hosts:
        click.echo("Hosts have the old version until you deploy without --trial.")


def kept_trials(table: str, region: str) -> Trials:
    from rushes.engines.aws.called.trial import Trials  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - botocore

    return Trials(client_of("dynamodb", region), table)


def trials_of(
    template: Mapping[str, Any] | None, found: Sequence[Any], tried: Sequence[str]
) -> dict[str, str]:
    """Of each function that is to be tried, the version that is deployed.

    Args:
        template: that is deployed; None where there is none.
        found: the functions as they are now.
        tried: names of those that are to be tried.

    Raises:
        CallerError: it is not deployed, or in the same version.
    """
    from rushes.engines.aws.infra.versions import versions_of  # noqa: PLC0415 - not for help

    there, under_way = (
        versions_of(template),
        ((template or {}).get("Metadata", {}).get("Rushes", {}).get("trials", {})),
    )
    made = {}
    for name in tried:
        new = next((one.version for one in found if one.name == name), None)
        old = under_way.get(name) or (there[name].version if name in there else None)
        if new is None or old is None or new == old:
            raise CallerError(
                f"no new version of {name} can be tried: "
                + (
                    "it is not deployed yet."
                    if new and old is None
                    else f"there is only version {old or new}."
                ),
                code="bad-environment",
                fix="Deploy it without --trial first; then raise its version.",
            )
        made[name] = old
    return made
