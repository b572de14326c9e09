"""What a process on AWS talks to: each made at its first use, once, so that a cold start pays for none of it.

This module must not know what is done with any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rushes.engines.aws.settings import AwsSettings
    from rushes.ports import Ledger, Queue, Store

__all__ = ["Services"]


class Services:
    """Store, ledger, queues, log and metrics.

    Args:
        settings: which ones.
        name: of the function or host, in its log and metrics.
        clients: gives a client of boto3 for a service; None makes them of the environment.
    """

    def __init__(self, settings: AwsSettings, name: str, clients: Callable[[str], Any] | None = None) -> None:
        self.settings = settings
        self._name = name
        self._clients = clients
        self._counted = False
        self._made: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A client of boto3 for a service."""
        if self._clients is not None:
            return self._clients(service)
        if service not in self._made:
            import boto3  # noqa: PLC0415 - a tenth of a second
            from botocore.config import Config  # noqa: PLC0415 - with it

            config = Config(retries={"mode": "standard", "max_attempts": 5})
            self._made[service] = boto3.client(service, config=config)
        return self._made[service]

    @cached_property
    def store(self) -> Store:
        """S3."""
        from rushes.storage.s3 import S3Options, S3Store  # noqa: PLC0415 - botocore

        options = S3Options(self.settings.storage_class, self.settings.kms_key)
        return S3Store(self.client("s3"), options)

    @cached_property
    def ledger(self) -> Ledger | None:
        """The shared ledger; None where there is no table."""
        if not self.settings.table:
            return None
        from rushes.journal.dynamo import DynamoLedger  # noqa: PLC0415 - botocore

        return DynamoLedger(self.client("dynamodb"), self.settings.table, kept_s=self.settings.kept_s)

    def queue(self, url: str) -> Queue:
        """The queue of a URL."""
        from rushes.journal.sqs import SqsQueue  # noqa: PLC0415 - botocore

        return SqsQueue(self.client("sqs"), url)

    # -- what is told --------------------------------------------------------------------------------------

    @cached_property
    def _logger(self) -> Any:
        from aws_lambda_powertools import Logger  # noqa: PLC0415 - not at a cold start

        return Logger(service=self._name)

    @cached_property
    def _metrics(self) -> Any:
        from aws_lambda_powertools import Metrics  # noqa: PLC0415 - as above

        return Metrics(namespace="Rushes", service=self._name)

    def say(self, what: str, **more: Any) -> None:
        """A line of the log, as JSON."""
        self._logger.info(what, extra=more)

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
            name=what, unit=MetricUnit.Count, value=value, namespace="Rushes",
            default_dimensions={"service": self._name},
        )  # fmt: skip
        with made as metric:
            for key, one in dimensions.items():
                metric.add_dimension(name=key, value=one)

    def flush(self) -> None:
        """Write the metrics down, before the process is frozen."""
        if self._counted:
            self._metrics.flush_metrics()
            self._counted = False
