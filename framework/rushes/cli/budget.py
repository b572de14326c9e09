"""`budget`: who may spend how much, what is spent and set aside, and what is held for want of it.

This module must not know how a cap is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.cli.session import Session
from rushes.cli.show import counted
from rushes.core.money import format_dollars, parse_dollars
from rushes.errors import CallerError
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.keepers import BudgetKeeper
    from rushes.ports import Engine

__all__ = ["Dollars", "budget", "keeper_of", "price_note"]

_BAR: Final = 20
_BELOW: Final = re.compile(r"-\$?[0-9.][0-9.,]*|\$-[0-9.][0-9.,]*", re.ASCII)
_LIMITS: Final = ("cap", "hour_cap", "soft", "hour_soft")


class Dollars(click.ParamType[int]):
    """An amount such as 40, $40 or 0.25, in nano-dollars."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_dollars(str(value))
        except CallerError as error:
            self.fail(error.message, param, ctx)


class _Payer(click.ParamType[tuple[str, str]]):
    """``organisation``, ``show:NAME`` or ``batch:ID``, as level and name."""

    name = "payer"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        level, _, name = str(value).partition(":")
        if (level == "organisation") == bool(name) or level not in {"organisation", "show", "batch"}:
            self.fail(f"{value!r} is no payer: write organisation, show:NAME or batch:ID.", param, ctx)
        return level, name


_ENGINE: Final = click.option(
    "--engine",
    default="local",
    show_default=True,
    metavar="local|aws:ENV",
    help="Of this machine, or of many hosts.",
)


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")
@_ENGINE
@click.pass_context
def budget(ctx: click.Context, /, *, as_json: bool, engine: str) -> None:
    """Who may spend how much, what of that is spent and set aside, and what is held.

    Money is set aside before an attempt starts, so that no cap is overshot. What does not fit is held, and
    goes on when a cap is raised or, under a cap by the hour, in the next hour.
    """
    if ctx.invoked_subcommand is not None:
        return
    found = keeper_of(ctx.obj.engine(engine)).budgets()
    if as_json:
        for row in found["rows"]:
            click.echo(json.dumps({"schema": 1, **row}))
        return
    for row in found["rows"]:
        for line in _lines(row):
            click.echo(line)
    if not found["rows"]:
        click.echo("no budget is set: rushes budget set show:NAME USD", err=True)
    if note := price_note(found):
        click.echo(note, err=True)


class _Setting(click.Command):
    """`budget set`, to which an amount below nothing would be an option that there is none of."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            below = next((one for one in given if _BELOW.fullmatch(one)), None)
            if below is None or error.option_name not in {below, below[:2]}:  # click says -4 of -40
                raise
            said = f"an amount must be positive, and {below} is below 0: write {below.replace('-', '')}."
            raise click.UsageError(
                f"{said} `rushes budget unset PAYER` takes all limits away.", ctx
            ) from error


@budget.command("set", cls=_Setting)
@click.argument("payer", type=_Payer())
@click.argument("usd", type=Dollars(), required=False)
@click.option("--per-hour", type=Dollars(), metavar="USD", help="At most so much in any clock hour (UTC).")
@click.option("--soft", type=Dollars(), metavar="USD", help="Beyond it, work goes on one class lower.")
@click.option("--soft-per-hour", type=Dollars(), metavar="USD", help="The same, within a clock hour.")
@_ENGINE
@click.pass_obj
def set_(
    session: Session, /, payer: tuple[str, str], usd: int | None, engine: str, **given: int | None
) -> None:
    """Let PAYER spend USD at most: organisation, show:NAME or batch:ID.

    Limits that are not named stay as they are. What is held goes on as far as the new ones let it.
    """
    if payer[0] == "show":  # a blank too many, and the cap would be nobody's
        from rushes.options import check_show  # noqa: PLC0415 - `list` needs this module, and no pydantic

        check_show(payer[1])
    new = dict(zip(_LIMITS, (usd, given["per_hour"], given["soft"], given["soft_per_hour"]), strict=True))
    if all(nano is None for nano in new.values()):
        raise click.UsageError("no limit is given: name an amount, --per-hour, --soft or --soft-per-hour.")
    keeper = keeper_of(session.engine(engine))
    before = _limits_of(keeper, payer)
    keeper.set_budget(
        *payer, {name: before.get(name) if nano is None else nano for name, nano in new.items()}
    )
    _show(keeper, payer)
    now = before | {name: nano for name, nano in new.items() if nano is not None}
    for soft, cap in (("soft", "cap"), ("hour_soft", "hour_cap")):
        if soft in now and cap in now and now[soft] >= now[cap]:
            click.echo(_unreached_note(now[soft], now[cap]), err=True)


@budget.command()
@click.argument("payer", type=_Payer())
@_ENGINE
@click.pass_obj
def unset(session: Session, /, payer: tuple[str, str], engine: str) -> None:
    """Take all limits of PAYER away; what it held goes on."""
    keeper = keeper_of(session.engine(engine))
    if not _limits_of(keeper, payer):
        click.echo(f"{_said(*payer)} has no budget", err=True)
        return
    keeper.set_budget(*payer, {})
    click.echo(f"{_said(*payer)} has no budget any more", err=True)


def keeper_of(engine: Engine) -> BudgetKeeper:
    """The engine, if it keeps budgets.

    Raises:
        CallerError: it does not.
    """
    from rushes.keepers import BudgetKeeper  # noqa: PLC0415 - only who asks for budgets needs it

    if not isinstance(engine, BudgetKeeper):
        raise CallerError("this engine keeps no budgets.", code="bad-value", fix="Use --engine local.")
    return engine


def price_note(found: Mapping[str, Any]) -> str:
    """What a person is told whose cap holds nothing back, or counts with other prices; "" for nothing."""
    note = str(found.get("note") or "")
    if note or not found["free"]:
        return note
    tier = found["tier"] or "here"
    return (
        f"note: this machine (tier {tier!r}) costs nothing, so no cap holds anything back. "
        "State its price in the file that RUSHES_PRICES names, and the tier with RUSHES_TIER."
    )


def _unreached_note(soft: int, cap: int) -> str:
    return (
        f"note: the soft limit of {format_dollars(soft)} is not below the cap of {format_dollars(cap)}: "
        "work is held before it goes on in a lower class."
    )


def _limits_of(keeper: BudgetKeeper, payer: tuple[str, str]) -> dict[str, int]:
    rows = keeper.budgets()["rows"]
    found: Mapping[str, Any] = next((row for row in rows if (row["level"], row["name"]) == payer), {})
    return {name: nano for name in _LIMITS if (nano := found.get(f"{name}_nano")) is not None}


def _show(keeper: BudgetKeeper, payer: tuple[str, str]) -> None:
    found = keeper.budgets()
    for row in found["rows"]:
        if (row["level"], row["name"]) == payer:
            for line in _lines(row):
                click.echo(line, err=True)
    if note := price_note(found):
        click.echo(note, err=True)


def _said(level: str, name: str) -> str:
    return f"{level} {printable(name)}" if name else f"the {level}"


def _lines(row: Mapping[str, Any]) -> list[str]:
    """One payer: its cap in all, its cap by the hour, and what waits for either."""
    who = click.style(_said(row["level"], row["name"]), bold=True)
    reserved = row["reserved_nano"]
    lines = [f"{who}  {_amounts(row['spent_nano'], reserved, row['cap_nano'], row['soft_nano'])}"]
    if row["hour_cap_nano"] is not None or row["hour_soft_nano"] is not None:
        hour = _amounts(row["hour_spent_nano"], reserved, row["hour_cap_nano"], row["hour_soft_nano"])
        lines.append(f"  this hour  {hour}")
    if row["running"]:
        lines.append(f"  {counted(row['running'], 'attempt')} under way")
    lines += [f"  held: rushes status {batch}" for batch in row["held"]]
    return lines


def _amounts(spent: int, reserved: int, cap: int | None, soft: int | None) -> str:
    parts = [f"{format_dollars(spent)} spent"]
    if cap is not None:
        parts = [f"{_bar(spent, reserved, cap)}  {format_dollars(spent)} of {format_dollars(cap)} spent"]
    if reserved:
        parts.append(f"{format_dollars(reserved)} reserved")
    if cap is not None:
        left = cap - spent - reserved
        parts.append(f"{format_dollars(left)} left" if left >= 0 else f"{format_dollars(-left)} too much")
    if soft is not None:
        parts.append(f"one class lower beyond {format_dollars(soft)}")
    return ", ".join(parts)


def _bar(spent: int, reserved: int, cap: int) -> str:
    """``█████▒▒░░░``: spent, reserved, left; what has begun shows."""
    whole = max(cap, 1)
    full = min(-(-spent * _BAR // whole) if spent > 0 else 0, _BAR)
    both = min(-(-(spent + reserved) * _BAR // whole) if spent + reserved > 0 else 0, _BAR)
    return "█" * full + "▒" * max(both - full, 0) + "░" * (_BAR - max(both, full))
