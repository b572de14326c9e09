"""One try at a joint invocation: its functions over one clip in one pass, each with a result of its own.

What is known of one is used; the bodies of the others run together (`gathering`), and each is published, kept
and fails by itself. The intents of all travel together, so that whoever comes after a crash finishes each of
them. A function of a joint invocation is a *member* here. This module must not know slots, and leaves what
the attempt of one member is to `rushes.runtime.attempts.attempt`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, cast

from rushes.errors import CallerError, Cancelled, RushesError, error_from_dict
from rushes.invocation import warnings_of
from rushes.joint import Joint, members_of
from rushes.runtime.attempts.gathering import Body, Gathering
from rushes.runtime.attempts.raised import as_error
from rushes.runtime.attempts.task import Gate, Keeper, Made, Reporter, Task

__all__ = ["KEY_CHARS", "run_joint"]

KEY_CHARS: Final = 32
"""Of one member's key, as hexadecimal digits."""
# Whose failure speaks for the whole: what may be tried again, then what nobody can mend by trying.
_GRAVITY: Final = ("platform", "media", "caller", "policy", "cancelled")


@dataclass(slots=True)
class _Member:
    """One member and what has come of it."""

    number: int
    task: Task
    fraction: float = -1.0
    note: str = ""
    made: Made | None = None
    error: RushesError | None = None
    began: float = 0.0
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return self.task.member

    def outcome(self) -> dict[str, Any]:
        """As `rushes.joint.FunctionOutcome`."""
        made = self.made
        return {
            "state": "succeeded" if made else "failed",
            "result": json.loads(made.result) if made else None,
            "outputs": made.outputs if made else (),
            "receipt": made.receipt if made else None,
            "encoder": made.encoder if made else None,
            "warnings": made.warnings if made else (),
            "cached": bool(made and made.cached),
            "seconds": round(self.seconds, 6),
            "error": self.error.to_dict() if self.error else None,
        }


def run_joint(
    task: Task,
    report: Reporter,
    gate: Gate,
    cancelled: Callable[[], bool],
    *,
    keep: Keeper | None,
    run: Callable[[Task, Reporter, Gate, Callable[[], bool]], Made],
) -> Made:
    """Run all functions; what one has made is published and kept, whatever becomes of the others.

    Args:
        task: of the joint invocation.
        report: told how far all of them are.
        gate: asked before anything becomes visible.
        cancelled: whether somebody wants it to stop.
        keep: told of each member that has ended.
        run: the attempt of one member: `rushes.runtime.attempts.attempt.run_attempt`.

    Raises:
        RushesError: the gravest failure of a member; its details have ``functions``: what became of each.
    """
    return _Pass(task, report, gate, cancelled, keep).run(run)


class _Pass:
    def __init__(
        self, task: Task, report: Reporter, gate: Gate, cancelled: Callable[[], bool], keep: Keeper | None
    ) -> None:
        self._report = report
        self._gate = gate
        self._cancelled = cancelled
        self._keep = keep
        self._intents: dict[str, Any] = dict((task.intent or {}).get("members", {}))
        self._shown = 0.0
        self._places: dict[str, str] = {}
        """Whose each published path is."""
        task = _settled(task, cancelled)
        self._members = [
            self._member(task, number) for number in range(len(cast("Joint", task.function).members))
        ]
        self._at_work: list[_Member] = []

    def _member(self, task: Task, number: int) -> _Member:
        function, params = members_of(task.function, task.params)[number]
        own = replace(
            task,
            function=function,
            params=params,
            member=function.name,
            key=task.key[number * KEY_CHARS : (number + 1) * KEY_CHARS],
            out=task.out if function.makes_outputs else None,
            intent=self._intents.get(function.name),
            known=task.members.get(str(number)),
            members={},
            spent=None,  # what all have cost is none of theirs
        )
        return _Member(number, own)

    def run(self, run: Callable[[Task, Reporter, Gate, Callable[[], bool]], Made]) -> Made:
        from rushes.media.running.shared_pass import run_calls  # noqa: PLC0415 - the media stack

        members: dict[int, _Member] = {}
        gathering = Gathering(run_calls, lambda body: self._ended(body, members[id(body)]), self._least)

        def start(member: _Member, body: Body) -> None:
            member.began = time.monotonic()
            body.value = run(
                member.task, self._reporter(member), self._own_gate(member, body), self._cancelled
            )

        bodies = []
        for member in self._members:
            if member.task.out is None and member.task.known is not None:
                self._made(member, _row(member.task.known))
                continue
            self._at_work.append(member)
            bodies.append(gathering.body(partial(start, member)))
            members[id(bodies[-1])] = member
        gathering.run(bodies)
        return self._whole()

    def _own_gate(self, member: _Member, body: Body) -> Gate:
        """Journals all that is about to be published with what was: the worker keeps one intent."""

        def gate(intent: dict[str, Any]) -> None:
            self._claim(member.name, [part["target"] for part in intent["intent"]["parts"]])
            body.publishing = True
            self._intents[member.name] = intent
            self._gate({"members": dict(self._intents)})

        return gate

    def _claim(self, name: str, places: Sequence[str]) -> None:
        """One member must not replace what another has just made under the same name."""
        for place in places:
            owner = self._places.setdefault(place, name)
            if owner != name:
                raise CallerError(
                    f"{owner} and {name} both make {place}.",
                    code="bad-name",
                    fix="Run them one by one into different folders, or choose options that name them apart.",
                )

    def _ended(self, body: Body, member: _Member) -> None:
        member.seconds = time.monotonic() - member.began
        member.fraction = 1.0
        if body.error is None:
            self._made(member, body.value)
            return
        self._intents.pop(member.name, None)
        member.error = as_error(body.error, member.name)
        if isinstance(member.error, Cancelled):
            raise member.error  # by a person, or because another attempt has taken the invocation over
        self._settled(member)

    def _made(self, member: _Member, made: Made) -> None:
        self._places.update(dict.fromkeys(made.outputs, member.name))
        member.made = made
        member.fraction = 1.0
        self._settled(member)

    def _settled(self, member: _Member) -> None:
        if self._keep is not None:
            self._keep(member.number, member.made)

    def _reporter(self, member: _Member) -> Reporter:
        def report(fraction: float, note: str) -> None:
            member.fraction, member.note = fraction, note
            known = [max(0.0, one.fraction) for one in self._at_work]
            self._shown = max(self._shown, sum(known) / len(known))  # a bar never runs backwards
            self._report(self._shown, note)

        return report

    def _least(self) -> float | None:
        """How far the slowest of those that have said so is: what it has read, all tools have read."""
        known = [
            member.fraction for member in self._at_work if member.made is None and member.fraction >= 0.0
        ]
        return min(known, default=None)

    def _whole(self) -> Made:
        outcomes = {member.name: member.outcome() for member in self._members}
        failed = [member for member in self._members if member.error is not None]
        if failed:
            raise _failure(failed, len(self._members), outcomes)
        made = [member.made for member in self._members if member.made is not None]
        return Made(
            json.dumps({"functions": outcomes}, separators=(",", ":")),
            outputs=tuple(output for one in made for output in one.outputs),
            encoder=next((one.encoder for one in made if one.encoder is not None), None),
            warnings=tuple(
                warnings_of({one.name: one.made.warnings for one in self._members if one.made is not None})
            ),
            media_s=max((one.media_s for one in made), default=0.0),
            cached=all(one.cached for one in made),
            published=[fact for one in made for fact in one.published],
        )


def _settled(task: Task, cancelled: Callable[[], bool]) -> Task:
    """The task once its source has been unchanged for long enough: for all members at once."""
    if not task.settle_s:
        return task
    from rushes.runtime.sources.source import fingerprint_of, wait_settled  # noqa: PLC0415 - seldom asked for

    wait_settled(task.source, task.settle_s, cancelled=cancelled)
    return replace(task, fingerprint=fingerprint_of(task.source), settle_s=0.0)


def _failure(failed: Sequence[_Member], count: int, outcomes: Mapping[str, Any]) -> RushesError:
    """One error for the whole: that of the gravest member, which says who has to act."""
    errors = [(member, member.error) for member in failed if member.error is not None]
    member, error = min(errors, key=lambda one: _GRAVITY.index(one[1].kind))
    names = ", ".join(one.name for one in failed)
    rest = "the others are made" if len(failed) < count else "none is made"
    message = f"{len(failed)} of {count} functions failed ({names}; {rest}). {member.name}: {error.message}"
    details = {**error.details, "functions": outcomes}
    return error_from_dict({**error.to_dict(), "message": message, "details": details})


def _row(known: Mapping[str, Any]) -> Made:
    """A known result without files, as it is."""
    return Made(
        json.dumps(known["result"], separators=(",", ":")),
        encoder=known.get("encoder"),
        warnings=tuple(known.get("warnings") or ()),
        cached=True,
    )
