"""What AWS's price list says, as entries of the file that everything reads; in the shape of its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from rushes import CallerError
from rushes.cli.app import app
from rushes.core.spending.price_entries import book_from
from rushes.core.spending.stand_in import lambda_price
from rushes.engines.aws.infra import executor
from rushes.engines.aws.infra.host_tiers import types_in
from rushes.engines.aws.infra.price_asking import answers_in, ask
from rushes.engines.aws.infra.price_list import asked_for, entries_of, named_in, priced
from rushes.runtime.configuration.price_files import price_book

SHIPS: Final = json.loads(
    resources.files("rushes").joinpath("prices", "default.json").read_text(encoding="utf-8")
)
GIB: Final = 1 << 30


def product(
    service: str, usage: str, *steps: tuple[str, str], sku: str = "", **attributes: str
) -> dict[str, Any]:
    """A product of the list, with its price from each beginning on; whose it is, as the list knows it."""
    sku = sku or f"SKU{abs(hash((usage, steps))) % 10**8}"
    rates = {
        f"{sku}.JRTCKXETXF.{n}": {
            "rateCode": f"{sku}.JRTCKXETXF.{n}", "unit": "Quantity", "beginRange": begin, "endRange": "Inf",
            "description": "", "appliesTo": [], "pricePerUnit": {"USD": usd},
        }
        for n, (begin, usd) in enumerate(steps)
    }  # fmt: skip
    term = {
        "priceDimensions": rates,
        "sku": sku,
        "effectiveDate": "2026-01-01T00:00:00Z",
        "termAttributes": {},
    }
    return {
        "product": {"sku": sku, "attributes": {"servicecode": service, "usagetype": usage, **attributes}},
        "serviceCode": service,
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": term}},
        "version": "20260101000000",
        "publicationDate": "2026-01-01T00:00:00Z",
    }


def ireland() -> list[dict[str, Any]]:
    """A price list of one region, with what lies beside what is wanted."""
    here = {"regionCode": "eu-west-1"}
    time = {**here, "group": "AWS-Lambda-Duration"}
    request = {**here, "group": "AWS-Lambda-Requests"}
    task = {**here, "productFamily": "Compute"}
    outward = {"fromRegionCode": "eu-west-1", "transferType": "AWS Outbound"}
    across = {"fromRegionCode": "eu-west-1", "transferType": "InterRegion Outbound"}
    linux = {**here, "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
             "capacitystatus": "Used"}  # fmt: skip
    c7i = {**linux, "instanceType": "c7i.4xlarge", "vcpu": "16", "memory": "32 GiB"}
    moved = "AWSDataTransfer"
    small, cards = {**c7i, "instanceType": "c7i.2xlarge"}, {**c7i, "instanceType": "g6.4xlarge", "gpu": "1"}
    return [
        product("AWSLambda", "EU-Lambda-GB-Second", ("6000000", "0.000015"), ("0", "0.0000166667"), **time),
        product("AWSLambda", "EU-Lambda-GB-Second-ARM", ("0", "0.0000133334"), **time),
        product("AWSLambda", "EU-Request", ("0", "0.0000002"), **request),
        product("AWSLambda", "Lambda-Edge-Request", ("0", "0.0000006"), **request),
        product("AmazonECS", "EU-Fargate-vCPU-Hours:perCPU", ("0", "0.0404800000"), **task),
        product("AmazonECS", "EU-Fargate-ARM-vCPU-Hours:perCPU", ("0", "0.0323800000"), **task),
        product("AmazonECS", "EU-Fargate-GB-Hours", ("0", "0.0044450000"), **task),
        product("AmazonS3", "EU-Requests-Tier1", ("0", "0.0000050000"), **here, group="S3-API-Tier1"),
        product("AmazonS3", "EU-Requests-Tier2", ("0", "0.0000004000"), **here, group="S3-API-Tier2"),
        product("AmazonS3", "EU-TimedStorage-ByteHrs", ("0", "0.023"), ("51200", "0.022"), **here,
                volumeType="Standard"),
        product(moved, "EU-DataTransfer-Out-Bytes", ("0", "0.09"), ("10240", "0.085"), **outward),
        product(moved, "EU-USE1-AWS-Out-Bytes", ("0", "0.02"), **across, toRegionCode="us-east-1"),
        product(moved, "EU-EUC1-AWS-Out-Bytes", ("0", "0.02"), **across, toRegionCode="eu-central-1"),
        product(moved, "EU-AFS1-AWS-Out-Bytes", ("0", "0.147"), **across, toRegionCode="af-south-1"),
        product("AmazonEC2", "EU-BoxUsage:c7i.2xlarge", ("0", "0.3822"), **small),
        product("AmazonEC2", "EU-BoxUsage:c7i.4xlarge", ("0", "0.76440000009"), **c7i),
        product("AmazonEC2", "EU-UnusedBox:c7i.4xlarge", ("0", "0"), **c7i),
        product("AmazonEC2", "EU-BoxUsage:g6.4xlarge", ("0", "1.4681"),
                **cards),
    ]  # fmt: skip


class Listed:
    """A price list that answers as AWS's: what fits all filters, a page of two at a time."""

    def __init__(self, products: list[dict[str, Any]]) -> None:
        self._products = products
        self.asked: list[dict[str, Any]] = []

    def get_products(self, **asked: Any) -> Mapping[str, Any]:
        self.asked.append(asked)
        wanted = {one["Field"]: one["Value"] for one in asked["Filters"]}
        assert all(one["Type"] == "TERM_MATCH" for one in asked["Filters"])
        fit = [
            json.dumps(one)
            for one in self._products
            if one["serviceCode"] == asked["ServiceCode"]
            and wanted.items() <= one["product"]["attributes"].items()
        ]
        start = int(asked.get("NextToken", 0))
        more = {"NextToken": str(start + 2)} if start + 2 < len(fit) else {}
        return {"FormatVersion": "aws_v1", "PriceList": fit[start : start + 2], **more}


TYPES: Final = ("c7i.2xlarge", "c7i.4xlarge", "g6.4xlarge")


def made(products: list[dict[str, Any]], region: str = "eu-west-1") -> tuple[dict[str, Any], list[str]]:
    shipped = [name.removeprefix("ec2/") for name in SHIPS["tiers"] if name.startswith("ec2/")]
    found = ask(Listed(products), region, [*TYPES, *shipped])
    return entries_of(found, SHIPS, region=region, today="2026-05-01", types=TYPES)


def test_a_region_has_the_prices_of_its_list_by_what_each_is_of() -> None:
    entries, _ = made(ireland())
    book = book_from(entries, "made.json")
    tiers = book.tiers
    assert tiers["lambda/2gib@eu-west-1"].hour_nano == 120_000_240
    assert tiers["lambda/2gib@eu-west-1"].request_nano == 200
    assert tiers["fargate/8x16@eu-west-1"].hour_nano == 394_960_000
    assert tiers["ec2/c7i.2xlarge@eu-west-1"].hour_nano == 382_200_000
    assert tiers["ec2/c7i.4xlarge@eu-west-1"].hour_nano == 764_400_001  # rather too much
    assert book.machines["ec2/c7i.4xlarge@eu-west-1"].machine.cpu == 16
    assert book.machines["ec2/c7i.4xlarge@eu-west-1"].machine.memory_bytes == 32 * GIB
    storage = book.storage["eu-west-1"]
    assert (storage.put_nano, storage.get_nano, storage.gib_month_nano) == (5000, 400, 23_000_000)
    leaves = {to: one.gib_nano for to, one in book.transfer["eu-west-1"].items()}
    assert leaves == {"internet": 90_000_000, "here": 90_000_000, "*": 20_000_000, "af-south-1": 147_000_000}
    said = tiers["fargate/8x16@eu-west-1"].source
    assert said.as_of == "2026-05-01"
    assert "AmazonECS" in said.text
    assert "of 2026-01-01" in said.text


def test_what_the_list_does_not_tell_is_named_and_not_made_up() -> None:
    entries, missing = made(ireland())
    assert "ec2/g6.xlarge@eu-west-1" not in entries["tiers"]
    assert "EC2 g6.xlarge: the list has none" in missing
    assert "EC2 g6.4xlarge: whether its cards encode; say devices in the file" in missing
    assert not [one for one in missing if "Lambda" in one or "S3" in one]


@pytest.mark.parametrize(
    "left_out", ["EU-Request", "EU-Fargate-GB-Hours", "EU-Requests-Tier2", "EU-DataTransfer"]
)
def test_an_entry_of_which_a_figure_is_missing_is_not_written(left_out: str) -> None:
    fewer = [one for one in ireland() if not one["product"]["attributes"]["usagetype"].startswith(left_out)]
    if left_out == "EU-Request":
        fewer = [one for one in ireland() if one["product"]["attributes"]["usagetype"] != left_out]
    whole, _ = made(ireland())
    entries, missing = made(fewer)
    assert missing
    lost = {name for name in whole["tiers"] if name not in entries["tiers"]} | {
        table for table in ("storage", "transfer") if entries.get(table) != whole[table]
    }
    assert lost
    book_from(entries, "made.json")


def test_products_that_fit_and_differ_are_not_guessed_between() -> None:
    twice = [*ireland(), product("AmazonECS", "EU-Fargate-GB-Hours", ("0", "0.5"), regionCode="eu-west-1",
                                 productFamily="Compute")]  # fmt: skip
    entries, missing = made(twice)
    assert "Fargate, memory: the list has 2 prices that could be meant" in missing
    assert not [name for name in entries["tiers"] if name.startswith("fargate")]


def test_products_of_one_price_are_as_one() -> None:
    twin = product("AmazonECS", "EU-Fargate-GB-Hours", ("0", "0.0044450000"), regionCode="eu-west-1",
                   productFamily="Compute", sku="AAA")  # fmt: skip
    entries, _ = made([*ireland(), twin])
    assert "AAA of 2026-01-01" in entries["tiers"]["fargate/8x16@eu-west-1"]["source"]


def test_the_region_of_the_prices_that_ship_gets_new_ones_under_their_names() -> None:
    home = [
        json.loads(json.dumps(one).replace("eu-west-1", "us-east-1").replace('"EU-', '"'))
        for one in ireland()
    ]
    entries, _ = made(home, "us-east-1")
    assert {"lambda/2gib", "lambda/8gib", "fargate/16x32", "ec2/c7i.2xlarge"} <= entries["tiers"].keys()
    assert named_in("fargate/8x16", "eu-west-1") == "fargate/8x16@eu-west-1"


@pytest.mark.parametrize(
    ("answer", "usd"),
    [
        (product("S", "EU-Lambda-GB-Second", ("100", "0.2"), ("0", "0.0000000000")), "0.2"),  # a free share
        (product("S", "Lambda-GB-Second", ("0", "0.3")), "0.3"),
        (product("S", "XEU-a-Lambda-GB-Second", ("0", "0.3")), None),
        (product("S", "EU-Lambda-GB-Second"), None),
        ({"product": {}, "terms": {}}, None),
        (json.dumps(product("S", "APN1-Lambda-GB-Second", ("0", "nonsense"))), None),
    ],
)
def test_a_price_is_that_of_the_first_step_that_costs_anything(answer: Any, usd: str | None) -> None:
    found = priced([answer], asked_for("eu-west-1", [])["lambda-time"])
    assert [one.usd for one in found] == ([] if usd is None else [Decimal(usd)])


def test_a_price_in_no_dollars_is_none() -> None:
    answer = product("S", "CNN1-Lambda-GB-Second", ("0", "0.3"))
    text = json.dumps(answer).replace('"USD"', '"CNY"')
    assert priced([text], asked_for("cn-north-1", [])["lambda-time"]) == []


def test_the_list_is_asked_where_it_answers_and_nothing_twice() -> None:
    assert [answers_in(one) for one in ("eu-west-1", "ap-northeast-1", "us-west-2", "sa-east-1")] == [
        "eu-central-1", "ap-south-1", "us-east-1", "us-east-1",
    ]  # fmt: skip
    listed = Listed(ireland())
    ask(listed, "eu-west-1", [])
    first = [
        json.dumps([one["ServiceCode"], one["Filters"]]) for one in listed.asked if "NextToken" not in one
    ]
    assert len(first) == len(set(first)) == 8


class Refusing:
    def get_products(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetProducts")


def test_who_may_not_ask_is_told() -> None:
    with pytest.raises(CallerError, match="not permitted to ask the price list"):
        ask(Refusing(), "eu-west-1", [])


def test_types_are_those_that_entries_are_named_after() -> None:
    named = ["ec2/g6.xlarge", "ours/c7i.2xlarge-spot", "fargate/8x16", "rack", "ec2/g6.xlarge@eu-west-1"]
    assert types_in(named) == ["g6.xlarge", "c7i.2xlarge", "g6.xlarge"]


# -- as a command ------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, products: list[dict[str, Any]], *args: str) -> Any:
    asked: list[tuple[str, str]] = []

    def client_of(service: str, region: str) -> Any:
        asked.append((service, region))
        return Listed(products)

    monkeypatch.setattr(executor, "client_of", client_of)
    done = CliRunner().invoke(app, ["infra", "prices", "--region", "eu-west-1", *args])
    assert asked in ([], [("pricing", "eu-central-1")])
    return done


def test_the_file_that_is_written_is_what_everybody_counts_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, capacity = tmp_path / "prices.json", tmp_path / "studio.yaml"
    ours = {"region": "here", "purchase": "owned", "usd_per_hour": "0.2", "source": "us", "as_of": "2026-01"}
    file.write_text(json.dumps({"schema": 1, "tiers": {"rack-01": ours}}))
    capacity.write_text("tiers: {big: {price: ec2/c7i.4xlarge@eu-west-1}}\nfleets: {big: {maximum: 2}}\n")
    done = run(monkeypatch, ireland(), "--capacity", str(capacity), "--to", str(file))
    assert done.exit_code == 0, done.output
    assert "not found: EC2 g6.xlarge" in done.stderr
    assert "price: fargate/8x16@eu-west-1" in done.stderr
    book = price_book({"RUSHES_PRICES": str(file)})
    price, stood_in = lambda_price(book, "eu-west-1", 4 * GIB)
    assert price is not None
    assert stood_in == ()
    assert price.tier.hour_nano == 240_000_480
    assert {"rack-01", "ec2/c7i.4xlarge@eu-west-1", "ec2/c7i.2xlarge"} <= book.tiers.keys()
    assert list(tmp_path.iterdir()) == [file, capacity] or len(list(tmp_path.iterdir())) == 2


def test_without_a_file_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, ireland())
    assert "lambda/2gib@eu-west-1" in json.loads(done.stdout)["tiers"]


def test_a_region_that_the_list_does_not_have_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = run(monkeypatch, [], "--to", str(tmp_path / "p.json"))
    assert done.exit_code == 2
    assert "has nothing of eu-west-1" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = run(monkeypatch, ireland(), "--to", str(tmp_path / "none" / "p.json"))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
    assert "asking for" not in done.stderr


def test_a_file_of_toml_is_a_persons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = run(monkeypatch, ireland(), "--to", str(tmp_path / "p.toml"))
    assert done.exit_code == 2
    assert "Let its name end in .json" in done.stderr
