"""Commands about this machine's pool: pool, pause, resume, drain, worker.

This module must not know what the slots run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rushes.cli.class_name import ClassName
from rushes.cli.session import Session
from rushes.cli.show import counted, short_name, table
from rushes.printing import printable
from rushes.units import format_duration, format_size

__all__ = ["drain", "pause", "pool", "resize", "resume", "worker"]


@click.group(invoke_without_command=True)
@click.option(
    "--engine", "engine_name", metavar="local|aws:ENV", default="local", help="Whose; of AWS its queues."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def pool(ctx: click.Context, /, *, engine_name: str, as_json: bool) -> None:
    """The slots of this machine, what they run, and what waits; `resize` gives it more or fewer.

    With --engine aws:ENV: what waits in the queues of that environment, and which of its hosts rest.
    """
    if ctx.invoked_subcommand is None:
        _show(ctx.obj, engine_name, as_json=as_json)


@pool.command(short_help="Give the pool N slots, or `auto`.")
@click.argument("slots", metavar="N|auto")
@click.pass_obj
def resize(session: Session, /, slots: str) -> None:
    """Give the pool N slots, 0 for none, until `auto` or the end of its worker; what runs goes on."""
    if slots != "auto" and not slots.isdecimal():
        raise click.BadParameter(f"{slots!r} is neither a number of slots nor `auto`.", param_hint="'N|auto'")
    session.engine().control("resize", slots=None if slots == "auto" else int(slots))
    cores = float(session.engine().pool().get("capacity", {}).get("cpu", 0.0))
    size = "1 core" if cores == 1 else f"{cores:g} cores"
    click.echo(f"the pool has {size}; what runs beyond that goes on to its end", err=True)


def _show(session: Session, engine_name: str, *, as_json: bool) -> None:
    engine = session.engine(engine_name)
    if not engine.running():
        click.echo("{}" if as_json else "no worker runs; the next `rushes run` starts one")
        return
    found = engine.pool()
    if as_json:
        click.echo(json.dumps(found))
        return
    if "resting" in found:  # of many machines: who they are, comes and goes
        _show_resting(found["resting"])
        _show_size(found.get("elastic") or {})
        for step in found.get("next") or ():
            click.echo(f"next: {printable(str(step))}")
    else:
        _show_machine(found)
    queues = found.get("queues") or []
    if queues:
        rows = [[q["priority"], q["show"], f"{q['waiting']:,}"] for q in queues]
        click.echo(table(["class", "show", "waiting"], rows, right=frozenset({2})))
    elif "resting" in found:
        click.echo("nothing waits")


def _show_resting(resting: Sequence[Mapping[str, Any]]) -> None:
    """Hosts that are not fit for all work, and why."""
    for one in resting:
        rested = format_duration(max(float(one["said"]) - float(one["since"]), 0.0))
        what = "rests" if one.get("whole") else "leaves some work to others"
        click.echo(click.style(f"host {one['host']} {what} for {rested}: {one['reason']}", fg="yellow"))


def _show_machine(found: Mapping[str, Any]) -> None:
    capacity = found.get("capacity", {})
    worker_ = found.get("worker") or {}
    cores = float(capacity.get("cpu", 0))
    size = f"{cores:g} {'core' if cores == 1 else 'cores'}, {format_size(float(capacity.get('memory', 0)))}"
    click.echo(f"pool of {size}" + (f", worker {worker_['pid']}" if worker_.get("pid") else ""))
    states = (
        ("draining", "draining: it ends once what runs has ended; `rushes resume` takes that back"),
        ("paused", "paused: nothing starts until `rushes resume`"),
        ("low_on_space", f"held: the disk of {worker_.get('home', 'the journal')} is nearly full"),
    )
    for text in [text for key, text in states if found.get(key)][:1]:
        click.echo(click.style(text, fg="yellow"))
    _show_size(found.get("elastic") or {})
    slots = found.get("slots") or []
    if slots:
        click.echo(table(["slot", "process", "runs", "clip", "for"], [_slot_row(one) for one in slots]))
    else:
        click.echo("no slots are up; they start with the first invocation")


def _show_size(elastic: dict[str, Any]) -> None:
    """What tiers there are, how large they are, and why."""
    if elastic.get("problem"):
        click.echo(click.style(str(elastic["problem"]), fg="yellow"))
    if elastic.get("pinned") is not None:
        text = f"held at {counted(int(elastic['pinned']), 'slot')}: `rushes pool resize auto` gives it back"
        click.echo(click.style(text, fg="yellow"))
    for tier in elastic.get("tiers") or []:
        leaving = f", {tier['leaving']} leaving" if tier["leaving"] else ""
        click.echo(
            f"{tier['tier']}: {tier['hosts']} of {tier['least']} to {tier['most']} hosts, "
            f"{tier['busy']} busy{leaving}\n  {tier['reason']}"
        )


def _slot_row(one: dict[str, Any]) -> list[str]:
    name = str(one.get("running") or ("idle" if one.get("ready") else "starts"))
    more = int(one.get("given") or 0) - 1
    clip = short_name(str(one["asset"])) if one.get("asset") else ""
    since = format_duration(float(one.get("seconds") or 0.0)) if one.get("running") else ""
    if one.get("paused"):
        name += " (paused)"
    if one.get("lent"):  # by a name that is in no list: the batch of an environment has another
        name += " (brought by a host)"
    return [str(one["slot"]), str(one["pid"]), name + (f" +{more}" if more > 0 else ""), clip, since]


@click.command()
@click.pass_obj
def pause(session: Session) -> None:
    """Start nothing more on this machine; what runs goes on to its end."""
    answer = session.engine().control("pause")
    click.echo(f"paused; {_still(answer)}. `rushes resume` goes on.", err=True)


@click.command()
@click.pass_obj
def resume(session: Session) -> None:
    """Start work again after a pause."""
    session.engine().control("resume")
    click.echo("resumed", err=True)


@click.command()
@click.pass_obj
def drain(session: Session) -> None:
    """Let what runs end, then end the worker; what waits is kept for the next one."""
    answer = session.engine().control("drain")
    click.echo(f"draining; {_still(answer)}", err=True)


def _still(answer: Any) -> str:
    running = int(answer.get("running") or 0)
    return f"{counted(running, 'invocation')} still running" if running else "nothing is running"


@click.command()
@click.option("--stop", is_flag=True, help="Stop the worker now; what ran is done again by the next one.")
@click.option("--service", is_flag=True, help="Print a systemd user unit that keeps a worker up.")
@click.option(
    "--engine", metavar="local|aws:ENV", default="local", help="Work for the queues of an environment on AWS."
)
@click.option(
    "--width",
    type=click.IntRange(min=1),
    metavar="N",
    help="On AWS: of each class at once; cores and 2 more.",
)
@click.option("--group", multiple=True, metavar="NAME", help="On AWS: of which hosts, e.g. hosts-nvenc.")
@click.option("--class", "classes", multiple=True, type=ClassName(), help="On AWS: take these; else all.")
@click.pass_context
def worker(ctx: click.Context, /, *, stop: bool, service: bool, engine: str, **hosting: Any) -> None:
    """Run this machine's worker in the foreground. None is needed: `rushes run` starts one by itself.

    With --engine aws:ENV it is a host of that environment: it takes work from its queues for this machine's
    pool, until SIGTERM, Ctrl-C or the notice of a spot instance, and gives back what runs at once.
    """
    session: Session = ctx.obj
    kind, _, environment = engine.partition(":")
    if kind == "aws" and not (stop or service):
        _host(session, environment, **hosting)
        return
    if service:
        click.echo(_unit(), nl=False)
        return
    if stop:
        answer = session.engine().control("stop")
        pid = answer.get("pid")
        click.echo(f"worker {pid} stops" if pid else "no worker runs", err=True)
        return
    from rushes.engines.local_worker import run_worker  # noqa: PLC0415 - the worker alone needs it

    click.echo("worker in the foreground; Ctrl-C ends it", err=True)
    ctx.exit(run_worker(foreground=True))


def _host(
    session: Session, environment: str, *, width: int | None, group: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    from rushes.cli.host_lines import tell_person  # noqa: PLC0415 - a host alone needs it
    from rushes.engines.aws.worker import run_host  # noqa: PLC0415 - as above

    pool: Any = session.pool_of_host()
    # The log is on standard output: a person there reads lines, a file or a collector of logs JSON.
    tell = tell_person if session.prints_to_terminal else None
    cores = float(pool.pool().get("capacity", {}).get("cpu", 1.0))
    run_host(
        environment,
        pool,
        width=width or max(int(cores), 1) + 2,
        groups=group,
        classes=classes,
        say=lambda text: click.echo(text, err=True),
        tell=tell,
    )


def _unit() -> str:
    import sys  # noqa: PLC0415 - only here

    command = Path(sys.argv[0]).absolute()
    return (
        "[Unit]\nDescription=Rushes worker\n\n"
        f"[Service]\nExecStart={command} worker\nRestart=on-failure\n\n"
        "[Install]\nWantedBy=default.target\n"
    )
