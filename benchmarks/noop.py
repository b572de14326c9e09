"""The function that does nothing: what is left of an invocation is the engine's own cost.

It has one option, so that each invocation has its own key and none of them is known already.
"""

from __future__ import annotations

from rushes import Asset, Params, Result, function

__all__ = ["NoopParams", "NoopResult", "noop"]


class NoopParams(Params):
    n: int = 0


class NoopResult(Result):
    n: int


@function(version="1")
def noop(_clip: Asset, params: NoopParams) -> NoopResult:
    """Give the number back."""
    return NoopResult(n=params.n)
