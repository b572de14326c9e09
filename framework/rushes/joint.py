"""Several functions over the same clip as one: each with its own result, receipt and failure, in one pass.

`together(inspect, proxy, thumbnails)` is a function like any other: it is called, mapped and dispatched. Its
invocation runs all of them, each under its own key, so that what is known is not made again; what they share
is the reading and decoding of the clip. This module must not know how they are run.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal, TypeVar

from pydantic import ConfigDict, Field, create_model

from rushes.asset import Asset
from rushes.context import Context
from rushes.declaration import RESERVED, Declared, Params, Resources, Result, Signature
from rushes.errors import CallerError, error_from_dict
from rushes.function import Function
from rushes.option_errors import JOINT

__all__ = ["JOINT", "FunctionOutcome", "Joint", "JointResult", "members_of", "shared_memory", "together"]

R = TypeVar("R", bound=Result)


# Every command imports this module, and few run functions together.
_WHEN_USED: Final = ConfigDict(defer_build=True)


class FunctionOutcome(Result):
    """How one function of a joint invocation ended."""

    model_config = _WHEN_USED

    state: Literal["succeeded", "failed"]
    result: Any = None
    outputs: tuple[str, ...] = ()
    receipt: str | None = None
    encoder: str | None = None
    warnings: tuple[str, ...] = ()
    cached: bool = False
    seconds: float = 0.0
    error: dict[str, Any] | None = None


class JointResult(Result):
    """How each function of a joint invocation ended, by its name, in the order in which they were named."""

    model_config = _WHEN_USED
    SCHEMA: ClassVar[int] = 1

    functions: dict[str, FunctionOutcome]

    def of(self, function: Function[Any, R]) -> R:
        """The result of one of the functions.

        Raises:
            RushesError: what it failed with.
            CallerError: it was not asked for.
        """
        member = self.functions.get(function.name)
        if member is None:
            raise CallerError(
                f"{function.name} was not asked for.",
                code="bad-value",
                fix=f"The functions of this result: {', '.join(self.functions)}.",
            )
        if member.error is not None:
            raise error_from_dict(member.error)
        return function.result_model.model_validate(member.result)


class Joint(Function[Params, JointResult]):
    """Several functions as one; `members` are they."""

    members: tuple[Function[Any, Any], ...] = ()

    def require_ranges(self) -> None:
        for member in self.members:
            member.require_ranges()

    def invoke(self, source: Asset, params: Params, context: Context) -> JointResult:
        msg = f"{self.name} has no body of its own"
        raise NotImplementedError(msg)


def members_of(function: Function[Any, Any], params: Params) -> list[tuple[Function[Any, Any], Params]]:
    """The functions that `function` stands for, each with its options: itself, or those of a joint one."""
    if isinstance(function, Joint):
        # Where an option is required, what a batch shares may lack it: each invocation brings its own.
        return [
            (member, getattr(params, member.name, None) or member.params_model.model_construct())
            for member in function.members
        ]
    return [(function, params)]


def together(*functions: Function[Any, Any]) -> Joint:
    """Several functions as one that runs them over a clip in one pass.

    Options are given by function: ``together(inspect, proxy).map(clips, proxy={"height": 720})``. Dispatch
    options are those of the whole.

    Args:
        functions: two or more, of different names.

    Raises:
        CallerError: a name appears twice, or cannot be told from a dispatch option.
    """
    members = tuple(
        copy.copy(member)
        for one in functions
        for member in (one.members if isinstance(one, Joint) else (one,))
    )
    names = [member.name for member in members]
    name = JOINT.join(names)
    if len(members) < 2:
        raise _refused(name, "names fewer than two functions", "Name two or more, or call the one by itself.")
    if len(set(names)) < len(names):
        raise _refused(name, "names a function twice", "Name each once; run it again with other options.")
    for member in members:
        if member.name in RESERVED:
            raise _refused(
                name, f"has a function with the name of the dispatch option {member.name!r}", "Rename it."
            )
        if JOINT in member.ref:
            raise _refused(name, f"has a function whose path holds a {JOINT!r}", "Move its file.")

    def body(clip: Asset, params: Params, ctx: Context) -> JointResult:
        raise NotImplementedError

    body.__name__ = body.__qualname__ = name
    body.__module__ = __name__
    body.__doc__ = f"{', '.join(names)}: over the same clip in one pass, each with its own result."
    found = Joint(body, _declared(members), Signature(_params(members), JointResult, ("params", "context")))
    found.members = members
    found.ref = JOINT.join(member.ref for member in members)
    found.__dict__["makes_outputs"] = any(member.makes_outputs for member in members)
    return found


def _params(members: Sequence[Function[Any, Any]]) -> type[Params]:
    fields: dict[str, Any] = {}
    for member in members:
        model = member.params_model
        optional = not any(info.is_required() for info in model.model_fields.values())
        default = Field(default_factory=model) if optional else Field()
        fields[member.name] = (model, default)
    with warnings.catch_warnings():
        # A function may be called `copy`: the field hides a method of the model that nobody here calls.
        warnings.simplefilter("ignore", UserWarning)
        return create_model("JointParams", __base__=Params, **fields)


def _declared(members: Sequence[Function[Any, Any]]) -> Declared:
    """What the whole needs: all work at the same time, on shared frames."""
    needs = [member.resources.vector() for member in members]
    limits = [member.timeout_s for member in members]
    return Declared(
        version=JOINT.join(member.version for member in members),
        resources=Resources(
            cpu=max(one["cpu"] for one in needs),
            memory=round(shared_memory([one["memory"] for one in needs])),
            scratch=round(sum(one["scratch"] for one in needs)),
            gpu=round(max(one["gpu"] for one in needs)),
        ),
        retries=max(member.retries for member in members),
        owner=", ".join(dict.fromkeys(member.owner for member in members if member.owner)),
        tools=tuple(dict.fromkeys(tool for member in members for tool in member.tools)),
        timeout_s=None if None in limits else sum(limit for limit in limits if limit is not None),
        stall_s=max(member.stall_s for member in members),
        preemptible=all(member.preemptible for member in members),
        reads_name=any(member.reads_name for member in members),
        frame_ranges=all(member.frame_ranges for member in members),
    )


def shared_memory(each: Sequence[float]) -> float:
    """What several take together of which each takes so much alone: the largest, and a quarter of the others.

    The frames are decoded once, and they are most of it. Measured with ffmpeg on 2160 lines: a proxy 182 MiB,
    stills 119, both and loudness 193; on 360 lines 72, 61 and 85.
    """
    return max(each) + (sum(each) - max(each)) / 4


def _refused(name: str, what: str, fix: str) -> CallerError:
    return CallerError(f"{name} {what}.", code="bad-function", fix=fix)
