"""Attempts whose bodies sign in: each with the pass that lies in the folder of its clip.

Who brings a pool work from elsewhere may let a body reach what its clip came from, each attempt another part
of it. The pass is a file of the attempt, and a variable of the body names it; that variable is named by one
of the slot's, so that slots of nobody else look for any. This module must not know what a pass says, nor who
reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final

from rushes.runtime.attempts.task import Gate, Keeper, Made, Reporter, Task

__all__ = ["PASS", "SIGNED_IN_BY", "SignedIn", "pass_here", "signing_in"]

SIGNED_IN_BY: Final = "RUSHES_SIGNED_IN_BY"
"""The variable of a slot that names the one in which a body looks for its pass."""
PASS: Final = "pass"  # noqa: S105 - the name of a file
"""It lies beside the folder that the clip is in."""

RunAttempt = Callable[[Task, Reporter, Gate, Callable[[], bool], Keeper | None], Made]


class SignedIn:
    """Runs attempts, each with its pass; called like `rushes.runtime.attempts.attempt.run_attempt`.

    Args:
        run: that.
        variable: in which a body looks for the path of its pass.
        environ: the variables of this process, which runs one attempt at a time.
    """

    def __init__(self, run: RunAttempt, variable: str, environ: MutableMapping[str, str]) -> None:
        self._run = run
        self._variable = variable
        self._environ = environ
        self._of_parts: dict[str, str] = {}

    def __call__(
        self,
        task: Task,
        report: Reporter,
        gate: Gate,
        cancelled: Callable[[], bool],
        keep: Keeper | None = None,
    ) -> Made:
        """Run one; without a pass its body finds none, and not that of another."""
        found = self._pass_of(task)
        if found:
            self._environ[self._variable] = found
        try:
            return self._run(task, report, gate, cancelled, keep)
        finally:
            self._environ.pop(self._variable, None)

    def learn(self, spec: Mapping[str, Any]) -> None:
        """Parts have the pass of who mapped them."""
        if spec.get("pass"):
            self._of_parts[spec["id"]] = str(spec["pass"])

    def forget(self) -> None:
        """No batch that was learnt comes again without being learnt anew."""
        self._of_parts.clear()

    def _pass_of(self, task: Task) -> str:
        known = self._of_parts.get(task.invocation.rpartition(".")[0])
        if known is not None:
            return known
        beside = Path(task.source.local or task.source.uri).parent.parent / PASS
        return str(beside) if beside.is_file() else ""


def signing_in(run: RunAttempt, environ: MutableMapping[str, str]) -> SignedIn | None:
    """What runs the attempts of a slot whose bodies sign in; None in all others."""
    variable = environ.get(SIGNED_IN_BY)
    return SignedIn(run, variable, environ) if variable else None


def pass_here(environ: Mapping[str, str] = os.environ) -> str:
    """The pass of the body that runs in this process; "" where it has none."""
    return environ.get(environ.get(SIGNED_IN_BY, ""), "")
