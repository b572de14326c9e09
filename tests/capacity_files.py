"""Files of capacity that tests deploy."""

from __future__ import annotations

from typing import Any

from rushes.core.capacity.capacity_file import CapacityPolicy, capacity_from
from rushes.core.spending.price_entries import book_from, parse_entries
from rushes.core.spending.prices import PriceBook
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.host_tiers import document_of, host_tiers
from rushes.runtime.configuration.price_files import price_book

_SPOT = """{"schema": 1, "tiers": {"ours/fargate-4x8-spot": {"purchase": "spot", "region": "us-east-1",
 "usd_per_hour": "0.06", "source": "a test", "as_of": "2026-11"},
 "ours/vt1.3xlarge": {"purchase": "on-demand", "region": "us-east-1", "usd_per_hour": "0.65", "cpu": 12,
 "memory": "24GiB", "devices": {"vpu": 1}, "source": "a test", "as_of": "2026-11"}}}"""

WHOLE: dict[str, Any] = {
    "most_per_hour": 12,
    "tiers": {
        "cpu-spot": {
            "cpu": 4, "memory": "8GiB", "scratch": "100GiB", "purchase": "spot", "region": "us-east-1",
            "price": "ours/fargate-4x8-spot", "start": "90s",
        },
        "cpu": {"price": "fargate/4x8", "scratch": "100GiB", "start": "90s"},
        "large": {"price": "ec2/c7i.2xlarge", "scratch": "200GiB", "start": "2m"},
        "gpu": {"price": "ec2/g6.xlarge", "scratch": "200GiB", "start": "3m", "limits": {"at_once": 8}},
        "vpu": {"price": "ours/vt1.3xlarge", "start": "4m"},
        "here": {"cpu": 1, "memory": "4GiB", "purchase": "owned", "region": "here"},
    },
    "fleets": {
        "cpu-spot": {
            "maximum": 3, "fallback": "large",
            "steps": [{"from": 1, "to": 10, "hosts": 1}, {"from": 11, "hosts": [2, 5]}],
            "drain": {"urgent": "10m", "background": "never"},
        },
        "gpu": {"maximum": 4, "steps": [{"above": 0, "add": 1}]},
        "vpu": {"maximum": 2},
        "here": {"maximum": 4},
    },
}  # fmt: skip
IMAGES = {"vpu": "ami-0123456789abcdef0"}


def book() -> PriceBook:
    """The prices that ship, and two of a studio's own."""
    shipped = price_book({})
    own = book_from(parse_entries(_SPOT, "own"), "own")
    return PriceBook(
        {**shipped.tiers, **own.tiers}, shipped.storage, shipped.transfer, shipped.energy,
        {**shipped.machines, **own.machines},
    )  # fmt: skip


def policy_of(data: dict[str, Any]) -> CapacityPolicy:
    return capacity_from(data, known=book().machines)


def with_fleets(data: dict[str, Any] = WHOLE, **more: Any) -> Environment:
    """An environment whose hosts come and go."""
    policy = policy_of(data)
    tiers = host_tiers(policy, {k: v for k, v in IMAGES.items() if k in data["tiers"]})
    document = document_of(data, policy, book(), tiers)
    named = {"name": "dev", "buckets": {"cards": "acme-dev-cards", "proxies": "acme-dev-proxies"}, **more}
    return Environment(**named, fleets=tiers, capacity=document)
