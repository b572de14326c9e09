"""What an image says of itself, and that nothing is deployed on an image that has something else."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import boto3
import deployed
import pytest
from botocore.stub import Stubber

from rushes import CallerError, PlatformError, catalog
from rushes.cli import infra_image
from rushes.engines.aws.infra import executor
from rushes.engines.aws.infra.contents import LABEL, check_contents, label_of
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.labels import MANIFESTS, labels_of
from rushes.engines.aws.infra.template import template_of

ACCOUNT = "123456789012"
DIGEST = "sha256:" + "0" * 64
SETTINGS = "sha256:" + "1" * 64
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/rushes-dev@{DIGEST}"
MODULE = """from helping import word
from rushes import Asset, Params, Result, function


@function(version="1")
def dailies(clip: Asset, params: Params) -> Result:
    \"\"\"Does what its neighbour says.\"\"\"
    print(word)
    return Result()
"""


def wheel_of(folder: Path, wheels: Path) -> None:
    wheels.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheels / "studio-1-py3-none-any.whl", "w") as archive:
        for file in folder.glob("*.py"):
            archive.write(file, file.name)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module with a function, and one beside it that it imports."""
    folder = tmp_path / "studio"
    folder.mkdir()
    (folder / "packaged_here.py").write_text(MODULE)
    (folder / "helping.py").write_text("word = 'one'\n")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("packaged_here", "helping"):
        sys.modules.pop(name, None)


def test_an_image_of_what_is_here_may_be_deployed_and_one_of_something_else_not(
    studio: Path, tmp_path: Path
) -> None:
    wheel_of(studio, tmp_path / "wheels")
    function = catalog.find("packaged_here:dailies")
    planned = {"dailies": (function.ref, catalog.body_digest(function))}
    label = label_of(tmp_path / "wheels")
    assert [*json.loads(label)] == ["packaged_here"]
    assert check_contents(label, planned) == ()
    # What it imports beside it is of its source, too.
    (studio / "helping.py").write_text("word = 'two'\n")
    planned = {"dailies": (function.ref, catalog.body_digest(function))}
    with pytest.raises(CallerError, match="another source of dailies") as caught:
        check_contents(label, planned)
    assert caught.value.code == "image-differs"


def test_of_what_an_image_does_not_say_nobody_knows() -> None:
    assert check_contents("", {"dailies": ("a:b", "0" * 64)}) == ("dailies",)
    assert check_contents('{"other": "x"}', {"dailies": ("a:b", "0" * 64)}) == ("dailies",)


# -- read from a registry -----------------------------------------------------------------------------------


class Settings(BaseHTTPRequestHandler):
    """Where ECR says that the settings of an image are."""

    body: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        self.send_response(200 if self.body else 403)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def stored() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Settings)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/settings?X-Amz-Signature=canary"
    server.shutdown()
    server.server_close()


def ecr_of(url: str) -> Any:
    """A client of ECR that answers once; it checks what it is asked."""
    client = boto3.client(
        "ecr",
        region_name="eu-west-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106
    )
    stub = Stubber(client)
    whose = {"registryId": ACCOUNT, "repositoryName": "rushes-dev"}
    manifest = json.dumps({"schemaVersion": 2, "config": {"digest": SETTINGS}, "layers": []})
    stub.add_response(
        "batch_get_image",
        {"images": [{"imageManifest": manifest}]},
        {**whose, "imageIds": [{"imageDigest": DIGEST}], "acceptedMediaTypes": [*MANIFESTS]},
    )
    stub.add_response(
        "get_download_url_for_layer",
        {"downloadUrl": url, "layerDigest": SETTINGS},
        {**whose, "layerDigest": SETTINGS},
    )
    stub.activate()
    return client


def test_labels_are_read_without_fetching_the_image(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "body", json.dumps({"config": {"Labels": {LABEL: "{}"}}}).encode())
    assert labels_of(ecr_of(stored), IMAGE) == {LABEL: "{}"}


@pytest.mark.parametrize("body", [b"", b"no json"])
def test_an_image_that_cannot_be_read_says_so_without_the_signed_address(
    stored: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "body", body)
    with pytest.raises(PlatformError) as caught:
        labels_of(ecr_of(stored), IMAGE)
    assert caught.value.code == "image-unread"
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize(("there", "refused"), [("same", False), ("another", True), ("", False)])
def test_deploying_compares_the_image_with_what_is_planned(
    stored: str,
    there: str,
    *,
    refused: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = hashlib.sha256(b"same").hexdigest()
    label = json.dumps({"deployed": hashlib.sha256(there.encode()).hexdigest()[:16]}) if there else "{}"
    monkeypatch.setattr(Settings, "body", json.dumps({"config": {"Labels": {LABEL: label}}}).encode())
    monkeypatch.setattr(executor, "client_of", lambda *_: ecr_of(stored))
    cards = {"cards": "a-cards", "proxies": "a-proxies"}
    template = template_of([deployed.small], Environment("dev", buckets=cards, sources={"small": source}))
    if refused:
        with pytest.raises(CallerError, match="another source of small"):
            infra_image.chosen(IMAGE, "eu-west-1", template)
        return
    assert infra_image.chosen(IMAGE, "eu-west-1", template) == IMAGE
    assert ("does not say" in capsys.readouterr().err) is not bool(there)
