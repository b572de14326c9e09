"""`infra deploy` after a trial: what is wanted takes over, and what the trial had goes once it is empty.

This module must not know what is in a template.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.errors import CallerError
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.engines.aws.infra.environment import Environment
    from rushes.engines.aws.infra.executor import Stack, Standing
    from rushes.engines.aws.infra.trial_end import Ending

__all__ = ["check_leaving", "ended"]

MOST_FIRST_S: Final = 900.0
"""As long as an attempt on Lambda may take: what comes from people's machines would never end."""


def check_leaving(
    deployed: Mapping[str, Any] | None,
    template: Mapping[str, Any],
    ends: Ending | None,
    environment: Environment,
) -> None:
    """Refuse to remove what somebody needs yet, but for what a trial had: that is waited for.

    Raises:
        CallerError: something is in a queue that would go (``queue-not-empty``), or a tier has hosts
            (``hosts-there``).
    """
    from rushes.engines.aws.infra.emptiness import check_empty  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.queue_names import gone  # noqa: PLC0415 - not for help
    from rushes.engines.aws.infra.trial_end import left_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.vacancy import check_vacant, leaving  # noqa: PLC0415 - botocore

    waited = ends.queues if ends else ()
    removed = [one for one in gone(deployed, template) if one not in waited]
    if again := left_of(deployed, template):
        _check_over(again, environment)
    if removed:
        check_empty(client_of("sqs", environment.region), removed)
        click.echo(f"Empty queues go: {printable(', '.join(removed))}.", err=True)
    services = [one for one in leaving(deployed, template) if not ends or one not in ends.services]
    if services:
        check_vacant(client_of("ecs", environment.region), environment.called(), services)


def _check_over(queues: Sequence[str], environment: Environment) -> None:
    from rushes.engines.aws.infra.emptiness import messages_in  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - as above

    if left := messages_in(client_of("sqs", environment.region), queues):
        raise CallerError(
            "another version cannot be tried yet: of the last one "
            f"{', '.join(f'{count:,} messages wait in {name}' for name, count in left.items())}.",
            code="queue-not-empty",
            fix="Deploy without --trial first: that waits for them.",
            details=left,
        )


def ended(
    ends: Ending,
    stack: Stack,
    environment: Environment,
    patience_s: float,
    deploy: Callable[[Mapping[str, Any]], object],
) -> Standing:
    """End trials: deploy what is wanted with what they had beside it, and wait until that has no work left.

    Args:
        ends: what is deployed meanwhile.
        stack: that is deployed.
        environment: where.
        patience_s: for so long at most.
        deploy: deploys a template, if nobody has changed the stack.

    Returns:
        How the stack stands then, for who takes away what is left.

    Raises:
        CallerError: something was there for longer (``queue-not-empty``), dead letters among it.
    """
    from rushes.engines.aws.infra.emptiness import check_empty, messages_in  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.trial_drain import QUIET_S, wait_until_drained  # noqa: PLC0415 - not for help
    from rushes.engines.aws.infra.vacancy import hosts_of  # noqa: PLC0415 - botocore

    sqs = client_of("sqs", environment.region)
    ecs = client_of("ecs", environment.region) if ends.services else None

    def left() -> dict[str, int]:
        there = messages_in(sqs, ends.queues)
        return there | hosts_of(ecs, environment.called(), ends.services) if ends.services else there

    _say(f"The trial of {', '.join(ends.functions)} ends: all that comes goes to what is deployed now.")
    _let_end(ends, environment, lambda names: messages_in(sqs, names))
    deploy(ends.template)
    seen = stack.standing()
    _say(
        f"What was tried stays until its work is done, in {', '.join(ends.queues)}. "
        "Ctrl-C loses nothing; the same command goes on from here."
    )
    try:
        wait_until_drained(left, patience_s, quiet_s=QUIET_S, say=_say)
    except KeyboardInterrupt:
        _say("What was tried goes on with what it has; say the same again to wait, and to take it away")
        raise
    check_empty(sqs, ends.dead)
    return seen


def _let_end(
    ends: Ending, environment: Environment, left: Callable[[Sequence[str]], Mapping[str, int]]
) -> None:
    """What waits for versions that go is done by them first, where a trial has all that comes by now."""
    from rushes.cli.infra_trial import kept_trials  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.trial_drain import QUIET_S, wait_until_drained  # noqa: PLC0415 - as above

    for function, queues in ends.replaced.items():
        trial = kept_trials(environment.table, environment.region).of(function)
        if trial is None or trial.share < 100:
            continue  # more comes to it as long as the trial goes on
        _say(f"What waits for version {trial.old} of {function} is done first, in {', '.join(queues)}.")
        quiet_s = max(QUIET_S - (time.time() - trial.since), 0.0)
        try:
            wait_until_drained(partial(left, queues), MOST_FIRST_S, quiet_s=quiet_s, say=_say)
        except CallerError as error:  # it is sent from a machine, say
            _say(f"The version that comes does the rest: {error.message}")


def _say(text: str) -> None:
    click.echo(printable(text), err=True)
