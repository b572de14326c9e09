"""`infra`: what functions need on AWS, as a template; deployed, compared and taken away.

The plan is a value (`rushes.engines.aws.infra.template`), the executor apart. This module must not know what
is in a template.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from rushes.cli.infra_backfill import backfill
from rushes.cli.infra_destroy import destroy
from rushes.cli.infra_image import chosen, keep
from rushes.cli.infra_lines import change_line
from rushes.cli.infra_options import env_option, region_option, stack_of
from rushes.cli.infra_package import package
from rushes.cli.infra_prices import prices
from rushes.cli.infra_trial import kept_trials, trial, trials_of
from rushes.cli.infra_trial_end import check_leaving, ended
from rushes.cli.show import counted
from rushes.errors import CallerError
from rushes.printing import printable
from rushes.units import parse_duration

if TYPE_CHECKING:
    from rushes.engines.aws.infra.environment import Environment
    from rushes.engines.aws.infra.executor import Done, Standing

__all__ = ["infra"]

F = TypeVar("F", bound=Callable[..., Any])


def _pair(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    found = dict(one.partition("=")[::2] for one in values)
    for key, value in found.items():
        if not key or not value:
            raise click.BadParameter(f"{key!r}: write NAME=VALUE.")
    return found


_WANTED: Final = (
    click.option(
        "--bucket", "buckets", multiple=True, callback=_pair, metavar="NAME=BUCKET",
        help="The bucket that stands for one that triggers name.  [repeatable]",
    ),
    click.option(
        "--own", "owned", multiple=True, metavar="BUCKET", help="A bucket to make; it stays.  [repeatable]"
    ),
    click.option(
        "--show", "shows", multiple=True, metavar="SHOW",
        help="Only these shows; else every one.  [repeatable]",
    ),
    click.option(
        "--queue", "queues", multiple=True, callback=_pair, metavar="NAME=ARN",
        help="The queue that stands for one that triggers name; else it is made.  [repeatable]",
    ),
    click.option("--concurrency", default=50, show_default=True, help="Of a function and class, at a time."),
    click.option("--largest-clip", default="4GiB", show_default=True, help="That scratch has to hold."),
    click.option("--hosts", is_flag=True, help="Queues for hosts, for what Lambda cannot hold."),
    click.option(
        "--class", "classes", multiple=True, metavar="CLASS",
        help="That hosts take, beside those that triggers give.  [repeatable]",
    ),
    click.option(
        "--capacity", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
        help="Hosts that come and go by themselves: tiers, fleets and what they may cost.",
    ),
    click.option(
        "--image-of", "images", multiple=True, callback=_pair, metavar="TIER=AMI",
        help="The machine image of a tier on EC2, where AWS's own has not its driver.  [repeatable]",
    ),
    click.option(
        "--subnet", "subnets", multiple=True, metavar="ID", help="Of hosts; else one is made.  [repeatable]"
    ),
    click.option(
        "--security-group", "security_groups", multiple=True, metavar="ID",
        help="Of hosts there.  [repeatable]",
    ),
    click.option("--events", "tells", is_flag=True, help="Tell EventBridge of what becomes of work."),
    click.option("--tracing", is_flag=True, help="Tell X-Ray of every attempt."),
    click.option("--log-days", default=30, show_default=True, help="How long logs are kept."),
    click.option("--budget", "budget_usd", type=float, metavar="USD", help="A month; told of at 80 %."),
    click.option("--email", default="", metavar="ADDRESS", help="Who is told of alarms."),
    click.option("--keep", "kept", default="", metavar="90d", help="How long the ledger keeps what ended."),
    click.option("--kms-key", default="", metavar="ARN", help="That outputs are encrypted with."),
    click.option(
        "--clip-key", "clip_keys", multiple=True, metavar="ARN",
        help="That clips are encrypted with, where it is another.  [repeatable]",
    ),
)  # fmt: skip


def _planned(command: F) -> F:
    """The options of an environment and its functions; the command gets it and the template."""

    @wraps(command)
    def wrapped(name: str, region: str, functions: tuple[str, ...], **asked: Any) -> Any:
        from rushes import catalog  # noqa: PLC0415 - not for help
        from rushes.engines.aws.infra.environment import Environment  # noqa: PLC0415 - as above
        from rushes.engines.aws.infra.template import template_of  # noqa: PLC0415 - as above
        from rushes.engines.aws.infra.versions import stable_of  # noqa: PLC0415 - as above
        from rushes.runtime.configuration.class_file import classes_of  # noqa: PLC0415 - as above

        wanted = {
            key: asked.pop(key)
            for key in (
                "buckets", "owned", "shows", "queues", "concurrency", "largest_clip", "hosts", "log_days",
                "budget_usd", "email", "kept", "kms_key", "clip_keys", "subnets", "security_groups", "tells",
                "tracing", "classes",
            )
        }  # fmt: skip
        wanted["policies"] = classes_of(os.environ)
        wanted |= _fleets(asked.pop("capacity"), asked.pop("images"))
        found = [catalog.find(one) for one in functions]
        sources = {one.name: catalog.body_digest(one) for one in found}
        if tried := asked.get("tried"):
            there = stack_of(name, region).template()
            wanted |= {"trials": trials_of(there, found, tried), "stable": stable_of(there)}
        environment = Environment(name, region, **wanted, sources=sources)
        template = template_of(found, environment)
        return command(environment, template, **asked)

    made: Any = wrapped
    for option in (*reversed(_WANTED), region_option, env_option):
        made = option(made)
    takes: Callable[[Any], F] = click.argument("functions", nargs=-1, required=True, metavar="FUNCTION…")
    return takes(made)


def _fleets(file: Path | None, images: dict[str, str]) -> dict[str, Any]:
    """What an environment knows of its hosts."""
    if file is None:
        if images:
            raise CallerError(
                "an image is named and no tier.", code="bad-capacity", fix="Say --capacity FILE too."
            )
        return {}
    from rushes.engines.aws.infra.host_tiers import counted_by, document_of, host_tiers  # noqa: PLC0415 - not for help
    from rushes.runtime.configuration.capacity_file import CapacityFile  # noqa: PLC0415 - as above
    from rushes.runtime.configuration.class_file import classes_of  # noqa: PLC0415 - as above
    from rushes.runtime.configuration.policy_file import read_policy  # noqa: PLC0415 - as above
    from rushes.runtime.configuration.price_files import price_book  # noqa: PLC0415 - as above

    policy = CapacityFile(file, os.environ).read()
    tiers = counted_by(price_book({}).tiers, host_tiers(policy, images))
    document = document_of(read_policy(file), policy, price_book(os.environ), tiers)
    targets = {one.name: one.target_s for one in classes_of(os.environ) if one.target_s}
    capacity = {**document, "targets": targets} if targets else document
    return {"fleets": tiers, "capacity": capacity, "routing": policy.routing}


_tried = click.option(
    "--trial",
    "tried",
    multiple=True,
    metavar="FUNCTION",
    help="Let its new version have a share, compared with the old one; it takes over, or goes back, by "
    "rule.  [repeatable]",
)


@click.group()
def infra() -> None:
    """What functions need on AWS, made from what they declare.

    One environment is one stack of CloudFormation, and everything in it has the environment's name. A
    FUNCTION is MODULE:FUNCTION, as it is in the image.
    """


@infra.command()
@click.option(
    "--format", "format_", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True, help="How."
)
@_planned
def synth(environment: Environment, template: dict[str, Any], /, *, format_: str) -> None:  # noqa: ARG001
    """Print the template; nothing is asked of AWS."""
    if format_ == "json":
        click.echo(json.dumps(template, indent=2))
        return
    import yaml  # noqa: PLC0415 - only here

    click.echo(yaml.safe_dump(json.loads(json.dumps(template)), sort_keys=False, width=110), nl=False)


@infra.command()
@_tried
@_planned
def diff(
    environment: Environment,
    template: dict[str, Any],
    /,
    *,
    tried: tuple[str, ...],  # noqa: ARG001 - it is in the template
) -> None:
    """Print what deploying would change."""
    from rushes.engines.aws.infra.changes import changes_of  # noqa: PLC0415 - not for help

    deployed = stack_of(environment.name, environment.region).template()
    found = changes_of(deployed, template)
    where = f"Environment {environment.name} in {environment.region}"
    if deployed is None:
        click.echo(f"{where} is not there yet: deploying makes all of this.", err=True)
    elif found:
        click.echo(f"{where} is there: deploying makes {counted(len(found), 'change')}.", err=True)
    for change in found:
        click.echo(change_line(change))
    if not found:
        click.echo("Nothing would change.")


@infra.command(short_help="Make the environment, wait, print what is there.")
@click.option("--image", required=True, metavar="URI", help="The container image of the functions.")
@_tried
@click.option("--template-bucket", metavar="BUCKET", help="That a template above 51,200 bytes goes through.")
@click.option(
    "--wait",
    "patience",
    default="1h",
    show_default=True,
    metavar="TIME",
    help="For what a trial that ends has yet to do.",
)
@_planned
def deploy(
    environment: Environment,
    template: dict[str, Any],
    /,
    *,
    image: str,
    template_bucket: str | None,
    tried: tuple[str, ...],
    patience: str,
) -> None:
    """Make the environment as its functions want it, wait, and print what is there.

    A function whose source has changed and whose version has not is refused, and so is removing a queue in
    which something waits, or a tier that has hosts. Those of a version that was tried before go once they
    have nothing left to do.
    """
    from rushes.engines.aws.infra.account import prepare  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.premises import premises_of  # noqa: PLC0415 - not for help
    from rushes.engines.aws.infra.trial_end import ending  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.versions import (  # noqa: PLC0415 - not for help
        check_versions,
        tried_on_hosts,
        versions_of,
    )

    patience_s = parse_duration(patience)
    stack = stack_of(environment.name, environment.region)
    seen = stack.standing()
    stack.check(seen.status)
    deployed = seen.template
    image = chosen(image, environment.region, template)
    check_versions(deployed, template)
    if left_out := sorted(set(versions_of(deployed or {})) - set(versions_of(template))):
        click.echo(f"Not named, so gone with their queues: {printable(', '.join(left_out))}.", err=True)
    ends = ending(deployed, template, seen.parameters)
    check_leaving(deployed, template, ends, environment)
    region = environment.region
    prepare(premises_of(template, deployed), region, lambda name: client_of(name, region), _told)
    parameters = {"ImageUri": image}
    if tried:
        parameters["StableImageUri"] = seen.parameters.get("StableImageUri") or seen.parameters["ImageUri"]

    def made(wanted: Mapping[str, Any], seen: Standing) -> Done:
        return stack.deploy(
            wanted,
            parameters,
            {"rushes:environment": environment.name},
            place=None
            if template_bucket is None
            else lambda body: _placed(body, template_bucket, environment),
            say=lambda text: click.echo(text, err=True),
            seen=seen,
        )

    if ends is not None:
        begun = seen
        seen = ended(ends, stack, environment, patience_s, lambda wanted: made(wanted, begun))
    done = made(template, seen)
    versions, on_hosts = versions_of(template), tried_on_hosts(template)
    for function, old in environment.trials.items():
        trial = kept_trials(environment.table, environment.region).begin(
            function, old, versions[function].version, on_hosts=function in on_hosts
        )
        of = "" if function in on_hosts or not environment.has_hosts else "; hosts keep the old one"
        click.echo(f"{function}: version {trial.new} has {trial.share:g} % of the work{of}.", err=True)
    keep(image, environment)
    for key, value in sorted(done.outputs.items()):
        click.echo(f"{key:<28} {printable(value)}")


def _placed(body: bytes, bucket: str, environment: Environment) -> str:
    """Put a template into a bucket, and give its URL."""
    from rushes.engines.aws.infra.executor import put_template  # noqa: PLC0415 - botocore

    key = f"rushes/{environment.name}/{hashlib.sha256(body).hexdigest()[:16]}.json"
    return put_template(body, bucket, key, environment.region)


def _told(text: str) -> None:
    """Say something beside what a command prints."""
    click.echo(printable(text), err=True)


infra.add_command(backfill)
infra.add_command(destroy)
infra.add_command(package)
infra.add_command(prices)
infra.add_command(trial)
