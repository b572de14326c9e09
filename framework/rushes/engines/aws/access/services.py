"""What a process on AWS talks to: each made at its first use, once, so that a cold start pays for none of it.

This module must not know what is done with any of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from rushes import __version__
from rushes.errors import CallerError
from rushes.media.running.redact import redact

if TYPE_CHECKING:
    from rushes.core.spending.run_price import RunPrice
    from rushes.engines.aws.access.granting import Granting, Session
    from rushes.engines.aws.access.server_clock import ServerClock
    from rushes.engines.aws.access.settings import AwsSettings
    from rushes.ports import Ledger, Money, Queue, RunCounts, Store
    from rushes.runtime.shared.money.caps import SharedCaps

__all__ = ["Services"]

CONNECTIONS: Final = 64
"""Of a client that all threads of a host share: who finds none free makes one, and throws it away."""

CONNECT_S: Final = 10.0
"""Where packets vanish the SDK would wait a minute for a connection, five times, and nobody is told why."""
READ_S: Final = {"dynamodb": 20.0}
OTHERS_READ_S: Final = 60.0
"""For an answer: a ledger never takes as long; a queue is asked to wait by itself, and bytes take a while."""


class Services:
    """Store, ledger, queues, log and metrics.

    Args:
        settings: which ones.
        name: of the function or host, in its log and metrics.
        clients: gives a client of boto3 for a service; None makes them of the environment.
        tell: is told what the log would have, in its place, where a person reads it.
    """

    def __init__(
        self,
        settings: AwsSettings,
        name: str,
        clients: Callable[[str], Any] | None = None,
        tell: Callable[[str, Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.settings = settings
        self._name = name
        self._clients = clients
        self._tell = tell
        self._counted = False
        self._first_flush = True
        self._request = ""
        self._made: dict[str, Any] = {}
        self._sdks: dict[bool, Any] = {}
        self._making = threading.Lock()

    def client(self, service: str, session: Session | None = None) -> Any:
        """A client of the SDK for a service; with a session, one that has no other credentials.

        Without one it is made once: one serves all threads.
        """
        if self._clients is not None:
            return self._clients(service)
        with self._making:  # the SDK may not make two at the same time
            if session is not None:
                return self._new_client(
                    service,
                    aws_access_key_id=session.key,
                    aws_secret_access_key=session.secret,
                    aws_session_token=session.token,
                )
            if service not in self._made:
                self._made[service] = self._new_client(service)
            return self._made[service]

    def _new_client(self, service: str, **credentials: str) -> Any:
        sdk = self._sdk(service)
        from botocore.config import Config  # noqa: PLC0415 - a tenth of a second, with what follows

        from rushes.aws_errors import sent  # noqa: PLC0415 - as above

        with sent(f"use {service}"):
            return sdk.create_client(
                service,
                region_name=self.settings.region or None,
                config=Config(
                    retries={"mode": "standard", "max_attempts": 5},
                    max_pool_connections=CONNECTIONS,
                    connect_timeout=CONNECT_S,
                    read_timeout=READ_S.get(service, OTHERS_READ_S),
                    # A seventh of what a request costs here: checking what our own code asks for, and
                    # describing this machine anew in each.
                    parameter_validation=False,
                    user_agent=f"rushes/{__version__}",
                ),
                **credentials,
            )

    def _sdk(self, service: str) -> Any:
        """A session of our own: the one that boto3 has for everybody is left to bodies, and what they may.

        Services that were described when the image was built have one together, which reads little; those
        that were not have another, which reads what the SDK has.

        Raises:
            CallerError: the extra is not installed.
        """
        try:
            from botocore.session import Session as Sdk  # noqa: PLC0415 - as above
        except ImportError as error:
            raise CallerError(
                "boto3 is not installed.", code="missing-extra", fix='Install it: pip install "rushes[aws]".'
            ) from error
        from rushes.engines.aws.access.sdk_data import loader_of  # noqa: PLC0415 - as above

        loader = loader_of(self.settings.sdk_data, service)
        is_described = loader is not None
        if is_described not in self._sdks:
            from rushes.aws_errors import sent  # noqa: PLC0415 - as above
            from rushes.engines.aws.access.credential_process import limit_process  # noqa: PLC0415 - as above

            sdk = Sdk()
            with sent(f"use {service}"):
                limit_process(sdk)
            self._sdks[is_described] = sdk
            parsers = sdk.get_component("response_parser_factory")
            parsers.set_parser_defaults(timestamp_parser=_time_of)
            if is_described:
                sdk.register_component("data_loader", loader)
        return self._sdks[is_described]

    @cached_property
    def grant(self) -> Granting:
        """Gives attempts their stores."""
        from rushes.engines.aws.access.granting import Granting  # noqa: PLC0415 - not for a router

        environ = os.environ if self.settings.memory_mb else None  # one attempt at a time, on Lambda alone
        return Granting(self.settings, self.client, environ)

    @cached_property
    def price(self) -> RunPrice | None:
        """What attempts here pay for; None where that is not known.

        Raises:
            CallerError: the price file is wrong (``bad-prices``), or has no such tier (``no-price``).
        """
        from rushes.core.spending.run_price import RunPrice  # noqa: PLC0415 - as above
        from rushes.core.spending.stand_in import STAND_IN, lambda_price  # noqa: PLC0415 - as above
        from rushes.runtime.configuration.price_files import price_book  # noqa: PLC0415 - as above

        settings = self.settings
        book = price_book({"RUSHES_PRICES": settings.prices})
        if not settings.memory_mb:
            return RunPrice(book.tier(settings.tier), book, timed=False).further()
        price, stood_in = lambda_price(book, settings.region, settings.memory_mb * 1024 * 1024)
        if price is None:
            self.say("unpriced", missing=f"lambda in {settings.region}")
        elif stood_in:
            self.say("priced-as", prices_of=STAND_IN, region=settings.region, missing=", ".join(stood_in))
        return price

    @property
    def region(self) -> str:
        """Where attempts run, as prices have it: a machine of one's own is in no region of AWS."""
        return self.price.tier.region if self.price is not None else self.settings.region

    @property
    def own_region(self) -> str:
        """The region of this process's requests, whoever says it; "" where it has none."""
        return self.settings.region or str(self.client("s3").meta.region_name or "").replace("aws-global", "")

    @cached_property
    def store(self) -> Store:
        """S3."""
        from rushes.storage.s3 import S3Options, S3Store  # noqa: PLC0415 - botocore

        options = S3Options(self.settings.storage_class, self.settings.kms_key)
        return S3Store(self.client("s3"), options)

    @cached_property
    def clock(self) -> ServerClock:
        """The time by which claims lapse: that of the ledger, as soon as it has said something."""
        from rushes.engines.aws.access.server_clock import ServerClock, steady_time  # noqa: PLC0415 - as above

        # Lambda freezes a process between two calls, and what nobody sets may stand still meanwhile.
        return ServerClock() if self.settings.memory_mb else ServerClock(steady_time())

    @cached_property
    def ledger(self) -> Ledger | None:
        """The shared ledger; None where there is no table."""
        if not self.settings.table:
            return None
        from rushes.shared_ledger.dynamo import DynamoLedger  # noqa: PLC0415 - botocore

        client = self.client("dynamodb")
        self.clock.listen(client)
        return DynamoLedger(client, self.settings.table, kept_s=self.settings.kept_s, clock=self.clock)

    @cached_property
    def money(self) -> Money | None:
        """The caps that all share; None where there is no table."""
        if not self.settings.table:
            return None
        from rushes.shared_ledger.dynamo_money import DynamoMoney  # noqa: PLC0415 - botocore

        return DynamoMoney(self.client("dynamodb"), self.settings.table, clock=self.clock)

    @cached_property
    def runs(self) -> RunCounts:
        """What runs took, where there is a table."""
        from rushes.shared_ledger.dynamo_runs import DynamoRunCounts  # noqa: PLC0415 - botocore

        return DynamoRunCounts(self.client("dynamodb"), self.settings.table)

    def share(self, holder: str, clock: Callable[[], float]) -> SharedCaps | None:
        """What a process of this name may spend of them; None where attempts have no price."""
        if self.money is None or self.price is None:
            return None
        from rushes.runtime.shared.money.caps import SharedCaps  # noqa: PLC0415 - not at a cold start

        return SharedCaps(self.money, holder, clock)

    def queue(self, url: str) -> Queue:
        """The queue of a URL."""
        from rushes.shared_ledger.sqs import SqsQueue  # noqa: PLC0415 - botocore

        return SqsQueue(self.client("sqs"), url)

    # -- what is told --------------------------------------------------------------------------------------

    @cached_property
    def _logger(self) -> Any:
        from aws_lambda_powertools import Logger  # noqa: PLC0415 - not at a cold start

        return Logger(service=self._name, location=None)  # it would name `say`, below, and nobody else

    @cached_property
    def _metrics(self) -> Any:
        from aws_lambda_powertools import Metrics  # noqa: PLC0415 - as above

        return Metrics(namespace=self.settings.metrics, service=self._name)

    @contextmanager
    def traced(self, what: str, invocation: str) -> Iterator[Callable[[str, str], None]]:
        """A part of a trace, where there are traces: what is noted of it can be searched for."""
        if not self.settings.tracing:
            yield lambda _name, _value: None
            return
        with self._tracer.provider.in_subsegment(what) as part:
            part.put_annotation("invocation", invocation)
            yield part.put_annotation

    @cached_property
    def _tracer(self) -> Any:
        from aws_lambda_powertools import Tracer  # noqa: PLC0415 - few trace

        # Nothing is patched: what a request to S3 says of itself is nobody's business but S3's.
        return Tracer(service=self._name, auto_patch=False)

    def begin(self, request: str) -> None:
        """A call of this process begins: what is told until the next is of this request."""
        self._request = request

    def say(self, what: str, **more: Any) -> None:
        """A line of the log, as JSON unless a person reads it, without signatures and credentials."""
        if self._tell is not None:
            self._tell(what, _clean(more))
            return
        request = {"request": self._request} if self._request else {}
        self._logger.info(what, extra={**request, **_clean(more)})

    def tell(
        self,
        state: str,
        invocation: str,
        *,
        attempted: bool = True,
        cost_nano: int = 0,
        turnaround_s: float | None = None,
    ) -> None:
        """How an invocation stands after an attempt, in the log and as metrics.

        Args:
            state: of the invocation, or ``unknown``.
            invocation: which.
            attempted: it was worked on just now.
            cost_nano: what that cost.
            turnaround_s: since it was asked for, if it has succeeded.
        """
        self.count(state)
        if attempted:
            self.count("attempts")
        if cost_nano:
            self._metrics.add_metric(name="cost", unit="None", value=cost_nano / 1e9)
        if turnaround_s is not None and state == "succeeded":
            self.measure("turnaround", turnaround_s)
        self.say(state, invocation=invocation, **({"cost_usd": cost_nano / 1e9} if cost_nano else {}))

    def count(self, what: str) -> None:
        """One more of it, as a metric."""
        self._metrics.add_metric(name=what, unit="Count", value=1)
        self._counted = True

    def measure(self, what: str, seconds: float) -> None:
        """How long it took, as a metric."""
        self._metrics.add_metric(name=what, unit="Seconds", value=max(seconds, 0.0))
        self._counted = True

    def gauge(self, what: str, value: float, **dimensions: str) -> None:
        """How much of it there is now, as a metric of its own."""
        from aws_lambda_powertools.metrics import MetricUnit, single_metric  # noqa: PLC0415 - as above

        made = single_metric(
            name=what, unit=MetricUnit.Count, value=value, namespace=self.settings.metrics,
            default_dimensions={"service": self._name},
        )  # fmt: skip
        with made as metric:
            for key, one in dimensions.items():
                metric.add_dimension(name=key, value=one)

    def flush(self) -> None:
        """Write the metrics down, before the process is frozen."""
        if self._counted:
            if self._first_flush:
                self._first_flush = False
                self.count("cold_start")
            self._metrics.flush_metrics()
            self._counted = False


@lru_cache(maxsize=64)
def _time_of(said: Any) -> datetime:
    """When a service says; of headers of HTTP it is known how they are written, and the SDK guesses."""
    if isinstance(said, str) and said.endswith(" GMT"):
        return parsedate_to_datetime(said)
    from botocore.utils import parse_timestamp  # noqa: PLC0415 - what asks has loaded it

    found: datetime = parse_timestamp(said)
    return found


def _clean(value: Any) -> Any:
    """A value for the log: texts without signatures, whatever they are in, that can be written."""
    if isinstance(value, str):  # half of a surrogate pair, of somebody's JSON, would lose the whole line
        return redact(value).encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _clean(one) for name, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list | tuple) else value
