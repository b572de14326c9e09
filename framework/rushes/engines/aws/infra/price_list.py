"""AWS's own price list as entries of a price file: what is asked of it, and what its answers mean. Pure.

The list has products with attributes, and each product terms with prices by steps of use
(https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html). Asked is
what Rushes counts, and no more: Lambda on x86, Fargate on Linux, types of EC2, S3 Standard, and what leaves a
region. Attributes do not name a price alone: ``usagetype`` does, behind the short name of its region
(``EUW2-``), which us-east-1 mostly has not. Where products that fit differ in their price, none is taken.
Spot is not in the list. This module must not know requests.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

__all__ = ["HOME", "Asked", "Priced", "asked_for", "entries_of", "named_in"]

HOME: Final = "us-east-1"
"""The region of the prices that ship: its entries have no region in their names."""
_NANO: Final = Decimal("0.000000001")
_PREFIX: Final = r"(?:[A-Z]{2,}[0-9]*-)?"


class Asked(NamedTuple):
    """One question to the list.

    Args:
        what: is wanted, as people call it.
        service: its code in the list.
        filters: attributes with their values.
        usage: pattern of the ``usagetype`` that counts.
    """

    what: str
    service: str
    filters: Mapping[str, str]
    usage: str


class Priced(NamedTuple):
    """A price in the list.

    Args:
        usd: dollars for one, at the first step that costs anything.
        sku: of the product.
        since: when it came into force, as a date; "" where the list does not say.
        attributes: of the product.
    """

    usd: Decimal
    sku: str
    since: str
    attributes: Mapping[str, str]


@dataclass
class _Made:
    """Entries while they are made."""

    region: str
    today: str
    entries: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"tiers": {}, "storage": {}, "transfer": {}}
    )
    missing: list[str] = field(default_factory=list)

    def source(self, service: str, *found: Priced) -> dict[str, str]:
        skus = ", ".join(f"{one.sku}{f' of {one.since}' if one.since else ''}" for one in found)
        return {
            "source": f"AWS Price List API, {service}, list price, first step: {skus}",
            "as_of": self.today,
        }


def asked_for(region: str, types: Iterable[str]) -> dict[str, Asked]:
    """What is asked of the list, each by a name of its own.

    Args:
        region: whose prices.
        types: of EC2.
    """
    here = {"regionCode": region}
    tasks = {**here, "productFamily": "Compute"}
    months = {**here, "volumeType": "Standard"}
    puts, gets = {**here, "group": "S3-API-Tier1"}, {**here, "group": "S3-API-Tier2"}
    made = {
        "lambda-time": Asked(
            "Lambda, GB-seconds", "AWSLambda", {**here, "group": "AWS-Lambda-Duration"}, "Lambda-GB-Second"
        ),
        "lambda-request": Asked(
            "Lambda, requests", "AWSLambda", {**here, "group": "AWS-Lambda-Requests"}, "(?:Lambda-)?Request"
        ),
        "fargate-cpu": Asked("Fargate, processors", "AmazonECS", tasks, "Fargate-vCPU-Hours:perCPU"),
        "fargate-memory": Asked("Fargate, memory", "AmazonECS", tasks, "Fargate-GB-Hours"),
        "s3-put": Asked("S3, writes and listings", "AmazonS3", puts, "Requests-Tier1"),
        "s3-get": Asked("S3, reads", "AmazonS3", gets, "Requests-Tier2"),
        "s3-month": Asked("S3 Standard, storage", "AmazonS3", months, "TimedStorage-ByteHrs"),
        "out": Asked(
            "transfer to the internet",
            "AWSDataTransfer",
            {"fromRegionCode": region, "transferType": "AWS Outbound"},
            "DataTransfer-Out-Bytes",
        ),
        "regions": Asked(
            "transfer to other regions",
            "AWSDataTransfer",
            {"fromRegionCode": region, "transferType": "InterRegion Outbound"},
            "(?:[A-Z]{2,}[0-9]*-)?AWS-Out-Bytes",
        ),
    }  # fmt: skip
    for type_ in sorted(set(types)):
        linux = {
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
        }
        wanted = {**here, "instanceType": type_, **linux}
        made[f"ec2/{type_}"] = Asked(f"EC2 {type_}", "AmazonEC2", wanted, f"BoxUsage:{re.escape(type_)}")
    return made


def priced(answers: Iterable[str | Mapping[str, Any]], asked: Asked) -> list[Priced]:
    """The prices that answers have for a question; products of no price and of other uses are left out."""
    usage = re.compile(f"{_PREFIX}{asked.usage}")
    found = []
    for answer in answers:
        one = json.loads(answer) if isinstance(answer, str) else answer
        product = one.get("product", {})
        attributes = product.get("attributes", {})
        if not usage.fullmatch(str(attributes.get("usagetype", ""))):
            continue
        for term in one.get("terms", {}).get("OnDemand", {}).values():
            if (usd := _first_price(term.get("priceDimensions", {}).values())) is not None:
                since = str(term.get("effectiveDate", ""))[:10]
                found.append(Priced(usd, str(product.get("sku", "")), since, attributes))
    return found


def _first_price(steps: Iterable[Mapping[str, Any]]) -> Decimal | None:
    """The price of the first step that costs anything, in dollars."""
    for step in sorted(steps, key=lambda one: _number(one.get("beginRange", "0"))):
        usd = _number(step.get("pricePerUnit", {}).get("USD", "0"))
        if usd > 0:
            return usd
    return None


def _number(text: Any) -> Decimal:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return Decimal(0)


def entries_of(
    found: Mapping[str, Sequence[Priced]],
    ships: Mapping[str, Any],
    *,
    region: str,
    today: str,
    types: Iterable[str] = (),
) -> tuple[dict[str, Any], list[str]]:
    """The tables of a price file, and what of them the list does not tell.

    Args:
        found: prices by the names of `asked_for`.
        ships: the tables that ship: their machines are written with this region's prices.
        region: whose prices they are.
        today: the date on which the list was asked.
        types: of EC2, beside those that ship.
    """
    made = _Made(region, today)
    questions = asked_for(region, [*types, *_types_of(ships["tiers"])])
    sole = {
        name: _sole(found.get(name, ()), asked, made)
        for name, asked in questions.items()
        if name != "regions"
    }
    _lambdas(made, ships["tiers"], sole["lambda-time"], sole["lambda-request"])
    _tasks(made, ships["tiers"], sole["fargate-cpu"], sole["fargate-memory"])
    _machines(made, ships["tiers"], sole, set(types))
    put, get, month = sole["s3-put"], sole["s3-get"], sole["s3-month"]
    if put and get and month:
        made.entries["storage"][region] = {
            "usd_per_put": _usd(put.usd), "usd_per_get": _usd(get.usd), "usd_per_gib_month": _usd(month.usd),
            **made.source("AmazonS3", put, get, month),
        }  # fmt: skip
    _transfers(made, sole["out"], found.get("regions", ()))
    return {"schema": 1, **{name: table for name, table in made.entries.items() if table}}, made.missing


def named_in(name: str, region: str) -> str:
    """The name of a tier with the prices of a region: those that ship keep theirs at home."""
    return name if region == HOME else f"{name}@{region}"


def _sole(found: Sequence[Priced], asked: Asked, made: _Made) -> Priced | None:
    """The one price there is; products of one price, which the list has, are as one."""
    prices = {one.usd for one in found}
    if len(prices) == 1:
        return min(found, key=lambda one: one.sku)
    several = f"the list has {len(prices)} prices that could be meant" if prices else "the list has none"
    made.missing.append(f"{asked.what}: {several}")
    return None


def _types_of(tiers: Mapping[str, Any]) -> list[str]:
    return [name.removeprefix("ec2/") for name in tiers if name.startswith("ec2/")]


def _lambdas(made: _Made, tiers: Mapping[str, Any], time: Priced | None, request: Priced | None) -> None:
    """Runs on Lambda cost by memory and time: of one size the others follow."""
    if time is None or request is None:
        return
    for name, tier in tiers.items():
        if name.startswith("lambda/"):
            gib = _gib(tier["memory"])
            made.entries["tiers"][named_in(name, made.region)] = {
                **_shape(tier), "region": made.region, "usd_per_second": str(time.usd * gib),
                "usd_per_request": _usd(request.usd), **made.source("AWSLambda", time, request),
            }  # fmt: skip


def _tasks(made: _Made, tiers: Mapping[str, Any], cpu: Priced | None, memory: Priced | None) -> None:
    if cpu is None or memory is None:
        return
    for name, tier in tiers.items():
        if name.startswith("fargate/"):
            hour = cpu.usd * Decimal(str(tier["cpu"])) + memory.usd * _gib(tier["memory"])
            made.entries["tiers"][named_in(name, made.region)] = {
                **_shape(tier), "region": made.region, "usd_per_hour": _usd(hour),
                **made.source("AmazonECS", cpu, memory),
            }  # fmt: skip


def _machines(
    made: _Made, tiers: Mapping[str, Any], sole: Mapping[str, Priced | None], own: set[str]
) -> None:
    for type_ in sorted({*_types_of(tiers), *own}):
        name = f"ec2/{type_}"
        price = sole[name]
        if price is None:
            continue
        shape = _shape(tiers[name]) if name in tiers else _shape_in_list(price, made)
        if shape is not None:
            made.entries["tiers"][named_in(name, made.region)] = {
                **shape, "region": made.region, "usd_per_hour": _usd(price.usd),
                **made.source("AmazonEC2", price),
            }  # fmt: skip


def _shape_in_list(price: Priced, made: _Made) -> dict[str, Any] | None:
    """What a type has, as the list says it: of its cards not whether they encode."""
    cpu, memory = price.attributes.get("vcpu", ""), price.attributes.get("memory", "")
    type_ = price.attributes.get("instanceType", "")
    if not cpu.isdecimal() or not memory.endswith(" GiB"):
        made.missing.append(f"EC2 {type_}: the list does not say what it has")
        return None
    if price.attributes.get("gpu"):
        made.missing.append(f"EC2 {type_}: whether its cards encode; say devices in the file")
    return {
        "purchase": "on-demand", "cpu": int(cpu), "memory": memory.replace(" ", "").replace(",", ""),
        "billed_step_s": 1, "billed_least_s": 60,
    }  # fmt: skip


def _transfers(made: _Made, out: Priced | None, regions: Sequence[Priced]) -> None:
    """What leaves the region: to most others it costs the same, and those to which it does not are named."""
    table: dict[str, Any] = {}
    if out is not None:
        said = made.source("AWSDataTransfer", out)
        table["internet"] = {"usd_per_gib": _usd(out.usd), **said}
        here = f"{said['source']}; a machine of one's own is reached over the internet"
        table["here"] = {"usd_per_gib": _usd(out.usd), **said, "source": here}
    dearest: dict[str, Priced] = {}
    for one in regions:
        to = str(one.attributes.get("toRegionCode", ""))
        if to and to != made.region and (to not in dearest or dearest[to].usd < one.usd):
            dearest[to] = one
    if dearest:
        counts = Counter(one.usd for one in dearest.values())
        usual = max(counts, key=lambda usd: (counts[usd], usd))
        first = min((one for one in dearest.values() if one.usd == usual), key=lambda one: one.sku)
        table["*"] = {"usd_per_gib": _usd(usual), **made.source("AWSDataTransfer", first)}
        for to, one in sorted(dearest.items()):
            if one.usd != usual:
                table[to] = {"usd_per_gib": _usd(one.usd), **made.source("AWSDataTransfer", one)}
    else:
        made.missing.append("transfer to other regions: the list has none")
    if table:
        made.entries["transfer"][made.region] = table


def _shape(tier: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without what is of its region."""
    priced = {"usd_per_hour", "usd_per_second", "usd_per_request", "region", "source", "as_of"}
    return {key: value for key, value in tier.items() if key not in priced}


def _usd(price: Decimal) -> str:
    """Dollars as a file has them: to a billionth, and rather too many."""
    return f"{price.quantize(_NANO, ROUND_UP):f}"


def _gib(memory: Any) -> Decimal:
    return Decimal(str(memory).removesuffix("GiB"))
