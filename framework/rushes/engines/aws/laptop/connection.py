"""What a laptop talks to of an environment: each part found when it is first asked for.

This module must not know what is asked of any of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import aws_settings
from rushes.engines.aws.infra.deployment import Deployment, deployment_of
from rushes.errors import CallerError

if TYPE_CHECKING:
    from rushes.ports import Ledger, Money
    from rushes.runtime.shared.runs.book import RunBook

__all__ = ["Connection"]


class Connection:
    """An environment, reached from outside.

    Args:
        asked: its name; "" for the one that variables tell of.
        environ: variables; the process's by default.
        services: store, ledger and queues; None makes them of the environment.
        deployment: where its parts are; None asks its stack.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        asked: str = "",
        environ: Mapping[str, str] | None = None,
        *,
        services: Services | None = None,
        deployment: Deployment | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.environ = dict(os.environ if environ is None else environ)
        self.clock = clock
        self._asked = asked
        self._given = services, deployment

    @property
    def is_given(self) -> bool:
        """Whether others made the services, which may then be of nobody's machine."""
        return self._given[0] is not None

    @cached_property
    def deployment(self) -> Deployment:
        """Where the parts of the environment are."""
        return self._given[1] or deployment_of(self._asked, self.environ, self.plain.client)

    @cached_property
    def plain(self) -> Services:
        """What there is to talk to without any environment, such as the store of clips."""
        return self._given[0] or Services(aws_settings(self.environ), "laptop")

    @cached_property
    def services(self) -> Services:
        """What to talk to."""
        if self._given[0] is not None:
            return self._given[0]
        return Services(replace(aws_settings(self.environ), table=self.deployment.table), "laptop")

    @cached_property
    def ledger(self) -> Ledger:
        """The environment's.

        Raises:
            CallerError: it has none (``no-ledger``).
        """
        found = self.services.ledger
        if found is None:
            raise CallerError(
                "the environment has no ledger.", code="no-ledger", fix="Set RUSHES_TABLE to its table."
            )
        return found

    @property
    def money(self) -> Money:
        """Its books; raises as `ledger` does."""
        self.ledger  # noqa: B018 - says what is missing where there is no table
        money = self.services.money
        assert money is not None  # noqa: S101 - where there is a ledger
        return money

    @cached_property
    def runs(self) -> RunBook:
        """What runs of this environment took."""
        from rushes.runtime.shared.runs.book import RunBook  # noqa: PLC0415 - a follower asks for none

        return RunBook(self.services.runs, self.clock)

    @property
    def name(self) -> str:
        """What is behind the ``@`` in the names of its batches."""
        return self.deployment.name or "aws"

    @property
    def region(self) -> str:
        """Where it is."""
        return self.plain.settings.region or str(self.plain.client("sqs").meta.region_name)
