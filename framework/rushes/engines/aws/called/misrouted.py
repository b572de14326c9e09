"""A notice that came to the Lambda of another function: passed on, and never run there.

A person moves messages from one queue to another, and a notice does not say whose it is; the ledger does.
Here it would run under the role of this function, which may not read its clip, and fail for good. Nor may
this function send to the queues of others. So the notice is taken in by a claim that is given back at once:
what is given back is told of again by the sweep, to those whose it is. This module must not know queues.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rushes.invocation import function_name
from rushes.ledger import Claim, LetGo

if TYPE_CHECKING:
    from rushes.function import Function
    from rushes.notices import Notice
    from rushes.ports import Claims

__all__ = ["passed_on", "whose"]

TOLD_IN_S: Final = 1.0
"""The sweep looks at what a claim leaves once that would have lapsed."""


def whose(spec: Mapping[str, Any], function: Function[Any, Any]) -> str:
    """The function that work is of; "" where it is this one."""
    asked = function_name(str(spec["function"]))
    its = {asked, str(spec.get("title") or "")}
    return "" if its & {function.name, function_name(function.ref)} else asked


def passed_on(ledger: Claims, notice: Notice, function: Function[Any, Any], now: float) -> str:
    """Hand back what is another function's; gives why, or "" where it is this one's.

    Raises:
        PlatformError: the ledger does not answer; the notice comes again.
    """
    spec = ledger.spec(notice.invocation.rpartition(".")[0])
    other = "" if spec is None else whose(spec, function)
    if not other:
        return ""
    reason = f"its message came to {function.name}, and it is of {other}; the sweep tells {other} of it"
    claim = ledger.claim(notice.invocation, f"misrouted to {function.name}", now, now + TOLD_IN_S)
    if isinstance(claim, Claim):  # else somebody has it, it has ended, or it is told of in time
        error = {"kind": "platform", "code": "misrouted", "message": f"{reason}."}
        ledger.give_back(claim, LetGo(reason, error=error))
    return reason
