"""The decorator: a plain function over one clip becomes an object that runs here, or on thousands.

Everything that can be refused is refused at import, naming the function, the value, what was expected and
the fix. This module touches no global, starts nothing, and must not know how a function is run or sent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

from rushes.asset import Asset
from rushes.context import Context
from rushes.declaration import Declared, NoParams, Params, Resources, Result, check_declared, signature_of
from rushes.errors import CallerError
from rushes.function import Function

if TYPE_CHECKING:
    from rushes.triggers import Trigger

__all__ = ["function"]

P = TypeVar("P", bound="Params")
R = TypeVar("R", bound="Result")


class _Decorator(Protocol):
    @overload
    def __call__(self, body: Callable[[Asset, P, Context], R], /) -> Function[P, R]: ...
    @overload
    def __call__(self, body: Callable[[Asset, P], R], /) -> Function[P, R]: ...
    @overload
    def __call__(self, body: Callable[[Asset, Context], R], /) -> Function[NoParams, R]: ...
    @overload
    def __call__(self, body: Callable[[Asset], R], /) -> Function[NoParams, R]: ...


def function(
    *misused: Any,
    version: str = "",
    resources: Resources | None = None,
    retries: int = 2,
    owner: str = "",
    tools: Sequence[str] = (),
    timeout_s: float | None = None,
    stall_s: float = 120.0,
    preemptible: bool = True,
    reads_name: bool = True,
    frame_ranges: bool = True,
    headers_only: bool | Callable[[Any], bool] = False,
    max_concurrency: int | None = None,
    exclusive: str = "",
    triggers: Sequence[Trigger] = (),
) -> _Decorator:
    """Package a function over one clip: ``(clip: Asset, params: MyParams, ctx: Context) -> MyResult``.

    `params` and `ctx` may be left out. The name of the body is the name of the function.

    Args:
        misused: nothing may stand here; it catches ``@function`` without brackets.
        version: raised by the author whenever the same inputs would give another result.
        resources: what one attempt needs.
        retries: further tries when the platform is at fault.
        owner: the team that answers for it.
        tools: executables that the body runs with ``ctx.run``.
        timeout_s: limit of one attempt in seconds; None: none beside `stall_s`.
        stall_s: seconds without progress after which an attempt is stopped.
        preemptible: False exempts it from displacement.
        reads_name: False when the result does not depend on the source's name, so that a renamed copy
            counts as known.
        max_concurrency: so many invocations of it run at once at most, on the whole pool, whatever batches
            they are of; None for no limit.
        exclusive: a template of a key of which no two invocations run at a time, also of other functions:
            ``"{database}"``. It names options, ``{stem}``, ``{name}``, ``{folder}``, ``{path}``, ``{show}``.
        frame_ranges: False when the function is of whole clips: a frame range is refused beforehand.
        headers_only: True where the body only describes its clip (by
            `rushes.media.describing.inspection.describe`), or a function of its options that says when; a
            clip in a store is then not copied here, and what is asked of it is fetched where it is. Of
            functions without outputs.
        triggers: what starts it by itself: `rushes.on_s3`, `on_schedule`, `on_sqs`, `on_folder`.

    Raises:
        CallerError: at import, naming the function, the value, what was expected and the fix.
    """
    if misused:
        raise CallerError(
            f"@function was used without arguments on {getattr(misused[0], '__name__', misused[0])!r}.",
            code="bad-function",
            fix='Write @function(version="1").',
        )
    declared = Declared(
        version=version,
        resources=resources or Resources(),
        retries=retries,
        owner=owner,
        tools=tuple(tools),
        timeout_s=timeout_s,
        stall_s=stall_s,
        preemptible=preemptible,
        reads_name=reads_name,
        frame_ranges=frame_ranges,
        headers_only=headers_only,
        max_concurrency=max_concurrency,
        exclusive=exclusive,
        triggers=tuple(triggers),
    )

    def decorate(body: Callable[..., Any]) -> Function[Any, Any]:
        check_declared(getattr(body, "__name__", repr(body)), declared)
        # The frame of the `def`: a model that was defined inside a function is found there.
        around = sys._getframe(1).f_locals  # noqa: SLF001 - typing offers no other way
        made: Function[Any, Any] = Function(body, declared, signature_of(body, around))
        if declared.headers_only and made.makes_outputs:
            raise CallerError(
                f"function {made.name}: headers_only, and its result names files.",
                code="bad-function",
                fix="Leave headers_only out: what makes files reads its clip.",
            )
        return made

    return cast("_Decorator", decorate)
