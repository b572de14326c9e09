"""`infra prices`: what a region costs, as AWS's own list says it, in the file that everything reads.

This module must not know how the list is asked.
"""

from __future__ import annotations

import json
import os
import time
from importlib import resources
from pathlib import Path
from typing import Any

import click

from rushes.cli.infra_options import region_option
from rushes.errors import CallerError
from rushes.printing import printable

__all__ = ["prices"]


@click.command(short_help="Ask AWS what a region costs, and write the price file.")
@region_option
@click.option(
    "--capacity",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Ask for the machines of this file, too.",
)
@click.option(
    "--type", "types", multiple=True, metavar="TYPE", help="And for this type of EC2.  [repeatable]"
)
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write it there, as JSON; what is of other regions in it stays.  [default: standard output]",
)  # fmt: skip
def prices(region: str, *, capacity: Path | None, types: tuple[str, ...], target: Path | None) -> None:
    """Ask AWS's own price list what Rushes counts in a region, and write it as RUSHES_PRICES reads it.

    Lambda, Fargate, the types of EC2 that ship and those that are named, S3, and what leaves the region; list
    prices in dollars, of the first step, dated, each with its number in the list. What the list does not tell
    is named. Spot has no list price.
    """
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.price_asking import answers_in, ask  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.price_list import entries_of, named_in  # noqa: PLC0415 - not for help

    before = _before(target)
    ships = json.loads(
        resources.files("rushes").joinpath("prices", "default.json").read_text(encoding="utf-8")
    )
    own = {*types, *(_types_in(capacity) if capacity else ())}
    asked = {*own, *(name.removeprefix("ec2/") for name in ships["tiers"] if name.startswith("ec2/"))}
    client = client_of("pricing", answers_in(region))
    found = ask(client, region, asked, lambda text: click.echo(text, err=True))
    today = time.strftime("%Y-%m-%d", time.gmtime())
    entries, missing = entries_of(found, ships, region=region, today=today, types=own)
    for one in missing:
        click.echo(f"not found: {printable(one)}", err=True)
    if not any(entries.get(table) for table in ("tiers", "storage", "transfer")):
        raise CallerError(
            f"AWS's price list has nothing of {region}.",
            code="no-price",
            fix="Correct --region; China and GovCloud have lists of their own.",
        )
    text = _laid(before, entries)
    if target is None:
        click.echo(text)
        return
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.write_text(f"{text}\n", encoding="utf-8")
    beside.replace(target)
    example = named_in("fargate/8x16", region)
    click.echo(
        f"{printable(str(target))} has the prices of {region}: set RUSHES_PRICES here and in the image. "
        f"A tier of a capacity file names them by `price: {example}`.",
        err=True,
    )


def _types_in(capacity: Path) -> list[str]:
    """The types of EC2 that a file of capacity names."""
    from rushes.engines.aws.infra.host_tiers import types_in  # noqa: PLC0415 - not for help
    from rushes.runtime.configuration.policy_file import read_policy  # noqa: PLC0415 - as above

    tiers = read_policy(capacity).get("tiers") or {}
    return types_in(str(one.get("price", "")) for one in tiers.values() if isinstance(one, dict))


def _before(target: Path | None) -> dict[str, Any]:
    """What is in the file by now.

    Raises:
        CallerError: it is TOML, which is a person's to write; or it cannot be read (``bad-prices``); or
            nothing can be written there (``bad-value``).
    """
    from rushes.core.spending.price_entries import parse_entries  # noqa: PLC0415 - not for help

    if target is None:
        return {}
    if target.suffix.lower() == ".toml":
        raise CallerError(
            f"{printable(str(target))} would be TOML, and this writes JSON.",
            code="bad-prices",
            fix="Let its name end in .json.",
        )
    if not os.access(target.parent, os.W_OK | os.X_OK):  # else the answers of a minute are lost
        raise CallerError(
            f"{printable(str(target))} cannot be written: its folder is not there, or may not be written.",
            code="bad-value",
            fix="Make that folder, or say --to with another.",
        )
    if not target.exists():
        return {}
    return dict(parse_entries(target.read_text(encoding="utf-8"), target.name))


def _laid(before: dict[str, Any], entries: dict[str, Any]) -> str:
    """The new entries in place of those of the same names, with what else there was."""
    from rushes.core.spending.price_entries import book_from, parse_entries  # noqa: PLC0415 - not for help

    tables = {**before, **entries}
    for table in before.keys() & entries.keys() - {"schema"}:
        tables[table] = {**before[table], **entries[table]}
    text = json.dumps(tables, indent=2, default=str)
    book_from(parse_entries(text, "prices.json"), "prices.json")  # what is written can be read
    return text
