"""`rushes logs`: what an invocation logged, wherever that is kept; and what the parts of an environment log.

This module must not know how logs are kept.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from rushes.cli.batch_name import engine_option, found_invocation, meant
from rushes.cli.cost import since_of
from rushes.cli.session import Session
from rushes.core.states import State
from rushes.errors import CallerError
from rushes.keepers import KeptLog, LogKeeper
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.logged import LogLine
    from rushes.ports import Engine

__all__ = ["logs"]

FILE_S: Final = 0.5
"""Between two looks at a file that grows."""
SERVICE_S: Final = 2.0
"""Between two requests to a service, which takes five a second of an account (FilterLogEvents, in
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html)."""
RECENT: Final = "15m"
"""Of a part of an environment, unless somebody says: it logs all the time."""


@click.command()
@click.argument("invocation", metavar="[BATCH.N]", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until it has ended.")
@click.option("--since", metavar="T", help="On AWS: 10m, 18:30, 2026-03-01: what came since then.")
@click.option(
    "--of", "part", metavar="PART", help="On AWS: of router, sweep, scaler, hosts or a function's Lambda."
)
@click.option("--path", is_flag=True, help="Print where the log is, not what it says.")
@engine_option()
@click.pass_obj
def logs(
    session: Session,
    invocation: str | None,
    *,
    follow: bool,
    since: str | None,
    part: str | None,
    path: bool,
    engine_name: str | None,
) -> None:
    """What the attempts of an invocation logged and printed, the tools' own words among it."""
    start = since_of(since, time.time()) if since else None
    if part is not None:
        if invocation is not None:
            raise CallerError(
                "an invocation is named, and a part.", code="bad-value", fix="Name one of them."
            )
        if path:
            raise CallerError(f"the log of {part} is no file.", code="not-supported", fix="Leave out --path.")
        keeper = _keeper(session.engine_of(None, engine_name))
        begins = since_of(RECENT, time.time()) if start is None else start
        why = f" since {_when(begins)} (--since looks further back)"
        _kept(session, keeper.log_of_part(part, since=begins), part, follow=follow, dated=True, why=why)
        return
    engine, name = meant(session, invocation, engine_name)
    invocation = found_invocation(engine, name)
    if isinstance(engine, LogKeeper):
        if path:
            raise CallerError(
                f"the log of {invocation} is no file.", code="not-supported", fix="Leave out --path."
            )
        _kept(session, engine.log_of(invocation, since=start or 0.0), invocation, follow=follow)
        return
    if start is not None:
        raise CallerError(
            "the log of an invocation of this machine has no times.", code="not-supported",
            fix="Leave out --since.",
        )  # fmt: skip
    _file(session, engine, invocation, path=path, follow=follow)


def _keeper(engine: Engine) -> LogKeeper:
    if not isinstance(engine, LogKeeper):
        raise CallerError(
            "this machine's pool has no parts that log apart.",
            code="not-supported",
            fix="Name an invocation, or an environment: --engine aws:ENV.",
        )
    return engine


# -- kept by a service -------------------------------------------------------------------------------------


def _kept(
    session: Session, log: KeptLog, what: str, *, follow: bool, dated: bool = False, why: str = ""
) -> None:
    """Print what there is, and what comes; ``why`` there may be nothing, where the log does not say."""
    printed = False
    while True:
        over = False
        for line in log.new():
            printed = True
            _line(session, line, dated=dated)
        over = log.over
        if not follow or over:
            break
        sys.stdout.flush()
        time.sleep(SERVICE_S)
    if log.note:
        click.echo(printable(log.note), err=True)
    elif not printed:
        click.echo(f"{what} logged nothing{why or f' ({log.state})'}", err=True)


def _when(at: float, how: str = "%m-%d %H:%M") -> str:
    return time.strftime(how, time.localtime(at))


def _line(session: Session, line: LogLine, *, dated: bool) -> None:
    text = line.text.rstrip("\n")
    if dated:
        text = "  ".join(filter(None, (_when(line.at, "%m-%d %H:%M:%S"), line.who, text)))
    raw = f"{text}\n".encode(errors="backslashreplace")
    sys.stdout.buffer.write(_safe(raw) if session.prints_to_terminal else raw)


# -- a file of this machine --------------------------------------------------------------------------------


def _file(session: Session, engine: Engine, invocation: str, *, path: bool, follow: bool) -> None:
    found = engine.explain(invocation)
    log = found.get("log")
    if log and path:
        click.echo(log)
        return
    told = 0
    while True:
        is_over = State(str(found["state"])).ended  # asked before the last look, so that this sees all
        if log := found.get("log"):
            told += _print_from(session, Path(str(log)), told)
        if not follow or is_over:
            break
        time.sleep(FILE_S)
        found = engine.explain(invocation)
    if not told:
        click.echo(f"{invocation} logged nothing ({found['state']})", err=True)


def _print_from(session: Session, log: Path, start: int) -> int:
    """Print a log from a place on; gives how many bytes that were."""
    try:
        file: IO[Any] = log.open("rb")
    except FileNotFoundError:
        return 0
    told = 0
    with file:
        file.seek(start)
        while chunk := file.read(1 << 16):
            told += len(chunk)
            sys.stdout.buffer.write(_safe(chunk) if session.prints_to_terminal else chunk)
    sys.stdout.flush()
    return told


# What a tool wrote goes on as it is, but a terminal acts upon some of it.
_ACTED_UPON: Final = bytes(set(range(0x20)) - set(b"\t\n\r")) + b"\x7f"
_SAFE: Final = bytes.maketrans(_ACTED_UPON, b"?" * len(_ACTED_UPON))


def _safe(chunk: bytes) -> bytes:
    return chunk.translate(_SAFE)
