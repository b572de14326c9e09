"""What one run of the command line shares: its engines, and whether a person is watching.

The one place of the command line where an engine is built; a test hands in its own. This module must not
import an engine before a command asks for one.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.ports import Engine

__all__ = ["Session"]


class Session:
    """Engines by name, built on first use.

    Args:
        engine: used for every name, in place of the installed ones.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self._given = engine
        self._engines: dict[str, Engine] = {}

    def engine(self, name: str = "local") -> Engine:
        """The engine of that name.

        Raises:
            CallerError: none is installed under it.
        """
        if self._given is not None:
            return self._given
        if name not in self._engines:
            self._engines[name] = cast("Engine", _load(name))
        return self._engines[name]

    def pool_of_host(self) -> Engine:
        """This machine's own engine, for a host: it starts no worker with what that signs in with."""
        if self._given is None and "local" not in self._engines and os.environ.get("RUSHES_WORK_ROLE"):
            from rushes.engines.aws.hosts.own_secrets import without_secrets  # noqa: PLC0415 - a host alone
            from rushes.engines.local import LocalEngine  # noqa: PLC0415 - as below

            self._engines["local"] = cast("Engine", LocalEngine(without_secrets(os.environ)))
        return self.engine("local")

    def engine_of(self, batch: str | None, asked: str | None = None) -> Engine:
        """The engine that has a batch, or one of its invocations, by its name: ``k7m2qx@dev`` is on AWS.

        Args:
            batch: its name, or None where the newest is meant.
            asked: the engine that was asked for, or None.
        """
        if asked is None and batch is not None and "@" in batch:
            where = batch.partition("@")[2].partition(".")[0]
            asked = "aws" if where in {"", "aws"} else f"aws:{where}"
        return self.engine(asked or "local")

    def sent(self, batch: str) -> None:
        """Remember that a batch was sent: it is the ``last`` one of this machine."""
        if self._given is None:
            from rushes.runtime.sending.sent_last import remember_sent  # noqa: PLC0415 - few commands send

            if (home := _home()) is not None:
                remember_sent(home, batch)

    def sent_last(self, asked: str | None = None) -> str:
        """The batch that this machine sent last, where that is in another ledger than its own; else "".

        Args:
            asked: the engine that was asked for, or None for whichever it was sent to.
        """
        if self._given is not None or asked == "local":
            return ""
        from rushes.runtime.sending.sent_last import recall_sent  # noqa: PLC0415 - as above

        home = _home()
        if home is None:
            return ""
        if asked is None:
            return recall_sent(home)
        where = asked.partition(":")[2] or os.environ.get("RUSHES_AWS_ENV") or asked
        return recall_sent(home, where)

    @property
    def watched(self) -> bool:
        """True when progress may be drawn: standard error is a terminal."""
        return sys.stderr.isatty()

    @property
    def prints_to_terminal(self) -> bool:
        """True when standard output is read by a person."""
        return sys.stdout.isatty()

    @property
    def answers(self) -> bool:
        """True when a question can be asked and answered."""
        return sys.stderr.isatty() and sys.stdin is not None and sys.stdin.isatty()


def _home() -> Path | None:
    """This machine's state folder; None where none can be had, and nothing is remembered: AWS needs none."""
    from rushes.errors import PlatformError  # noqa: PLC0415 - as below
    from rushes.runtime.configuration.settings import settings_from  # noqa: PLC0415 - not for help

    try:
        return settings_from(os.environ).home
    except PlatformError:
        return None


def _load(name: str) -> Any:
    if name == "local":  # spares a command that names no function the import of pydantic
        from rushes.engines.local import LocalEngine  # noqa: PLC0415

        return LocalEngine()
    from rushes.batch import load_engine  # noqa: PLC0415

    return load_engine(name)
