"""What the image knows of the services in place of all that the SDK knows: the same but for its prose."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.session import Session

from rushes.engines.aws.access.sdk_data import SERVICES, loader_of, make
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings, aws_settings

ROOT = Path(__file__).parents[3]
ENGINE = ROOT / "framework" / "rushes" / "engines" / "aws"


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdk")
    make(folder)
    return folder


def client(service: str, folder: Path | None, region: str = "eu-west-1") -> Any:
    session = Session()
    session.set_credentials("nobody", "nobody")
    if folder is not None:
        session.register_component("data_loader", loader_of(str(folder), service))
    return session.create_client(service, region_name=region)


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_can_do_all_that_it_could(described: Path, service: str) -> None:
    ours, whole = client(service, described), client(service, None)
    assert ours.meta.service_model.operation_names == whole.meta.service_model.operation_names
    assert ours.meta.service_model.shape_names == whole.meta.service_model.shape_names
    for one in whole.meta.method_to_api_mapping:
        assert ours.can_paginate(one) == whole.can_paginate(one)
    assert ours.waiter_names == whole.waiter_names


@pytest.mark.parametrize(
    ("service", "region"),
    [
        *(("s3", region) for region in ("us-east-1", "ap-northeast-1", "cn-north-1")),
        ("sts", "us-east-1"),
        ("dynamodb", "us-gov-west-1"),
    ],
)
def test_it_asks_at_the_same_address(described: Path, service: str, region: str) -> None:
    ours, whole = client(service, described, region), client(service, None, region)
    assert ours.meta.endpoint_url == whole.meta.endpoint_url
    assert ours.meta.partition == whole.meta.partition
    if service == "s3":
        signed = [
            one.generate_presigned_url("get_object", {"Bucket": "cards", "Key": "a b.mov"}).partition("?")[0]
            for one in (ours, whole)
        ]
        assert signed[0] == signed[1]


def test_an_access_point_is_asked_as_before(described: Path) -> None:
    """Regions of somebody's own would be taken for an address that an access point has no place at."""
    point = "arn:aws:s3:eu-west-1:111122223333:accesspoint/cards"
    asked = {"Bucket": point, "Key": "a.mov"}
    ours, whole = (
        client("s3", one).generate_presigned_url("get_object", asked).partition("?")[0]
        for one in (described, None)
    )
    assert ours == whole
    assert ours.startswith("https://cards-111122223333.s3-accesspoint.eu-west-1.amazonaws.com/")


def test_what_is_read_for_a_first_client_is_less_than_half_of_the_list_of_regions(described: Path) -> None:
    place = described / botocore.__version__
    read = [place / "endpoints.json", *(place / "s3").rglob("*.json")]
    whole = Path(botocore.__file__).parent / "data"
    assert sum(one.stat().st_size for one in read) * 2 < (whole / "endpoints.json").stat().st_size
    model = next((place / "s3").rglob("service-2.json")).read_text(encoding="utf-8")
    assert not re.search(r'"documentation":"[^"]', model)


def test_a_member_that_is_called_like_prose_stays(described: Path) -> None:
    """What has no text under such a name describes something."""
    ssm = json.loads(next((described / botocore.__version__ / "ssm").rglob("service-2.json")).read_bytes())
    whole = client("ssm", None).meta.service_model
    for name in whole.shape_names:
        members = getattr(whole.shape_for(name), "members", {})
        assert set(ssm["shapes"][name].get("members", {})) >= set(members)


def test_every_service_that_is_talked_to_has_been_thought_of() -> None:
    asked = {
        name
        for file in ENGINE.glob("*.py")
        for name in re.findall(r'[._]client\("([a-z0-9]+)"', file.read_text(encoding="utf-8"))
    }
    assert asked
    assert asked <= set(SERVICES)


def test_services_are_made_of_it_and_others_as_always(
    described: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nobody")
    services = Services(AwsSettings(region="us-east-1", sdk_data=str(described)), "inspect")
    s3, iam = services.client("s3"), services.client("iam")
    assert s3.meta.service_model.documentation == ""
    assert iam.meta.service_model.documentation
    assert services.client("s3") is s3


def test_what_was_made_of_another_botocore_does_not_count(described: Path, tmp_path: Path) -> None:
    (described / botocore.__version__).rename(tmp_path / "1.0.0")
    try:
        assert loader_of(str(tmp_path), "s3") is None
    finally:
        (tmp_path / "1.0.0").rename(described / botocore.__version__)
    assert loader_of(str(described), "s3") is not None
    assert loader_of("", "s3") is None


def test_a_folder_that_was_given_to_the_sdk_itself_goes_before_it() -> None:
    assert aws_settings({"RUSHES_SDK_DATA": "/opt/a"}).sdk_data == "/opt/a"
    assert aws_settings({"RUSHES_SDK_DATA": "/opt/a", "AWS_DATA_PATH": "/srv/models"}).sdk_data == ""


def test_the_image_has_it() -> None:
    recipe = (ROOT / "infra" / "Dockerfile").read_text(encoding="utf-8")
    made = re.search(r"python -m rushes\.engines\.aws\.access\.sdk_data (\S+)", recipe)
    assert made is not None
    assert f"RUSHES_SDK_DATA={made[1]}" in recipe
