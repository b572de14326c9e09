"""A template whose Lambdas are zips, for a server that runs no containers: each calls the same entry."""

from __future__ import annotations

import copy
import io
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aws_server import AwsServer

_ROOT = Path(__file__).parents[1]
_PLACES = [str(_ROOT / one) for one in ("framework", "functions", "tests")]
_INDEX = f"""
import sys
sys.path[:0] = {[*_PLACES, sysconfig.get_paths()["purelib"]]!r}
from rushes.engines.aws.entry import route, scale, sweep, tell, work
"""


def package(versions: Mapping[str, str] | None = None, places: Sequence[str] = ()) -> bytes:
    """The zip: it says where everything is, for the server runs it with an interpreter of its own.

    Args:
        versions: of functions of `deployed`, in place of those that they declare.
        places: folders of modules, too.
    """
    changed = "".join(
        f"import deployed\nfrom dataclasses import replace\n"
        f"deployed.{name}._declared = replace(deployed.{name}._declared, version={version!r})\n"
        for name, version in (versions or {}).items()
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", f"import sys\nsys.path[:0] = {list(places)!r}\n{_INDEX}{changed}")
    return file.getvalue()


_KEYS = {"ImageUri": "package.zip", "StableImageUri": "stable.zip"}


_UNKNOWN = {"AWS::ECS::ClusterCapacityProviderAssociations"}


def as_zip(
    template: Mapping[str, Any], server: AwsServer, bucket: str, keys: Mapping[str, str] = _KEYS
) -> dict[str, Any]:
    """The template with a zip for each image, which finds the server; and without what that does not know.

    Args:
        template: what is stood in for.
        server: that it is deployed to.
        bucket: that has the zips.
        keys: of each parameter for an image, the zip.
    """
    made = copy.deepcopy(dict(template))
    unknown = {id_ for id_, one in made["Resources"].items() if one["Type"] in _UNKNOWN}
    made["Resources"] = {id_: one for id_, one in made["Resources"].items() if id_ not in unknown}
    for one in made["Resources"].values():
        if "DependsOn" in one:
            one["DependsOn"] = [it for it in one["DependsOn"] if it not in unknown]
    for one in made["Resources"].values():
        if one["Type"] != "AWS::Lambda::Function":
            continue
        its = one["Properties"]
        if its["PackageType"] == "Zip":  # it stays as it was deployed
            continue
        (command,) = its.pop("ImageConfig")["Command"]
        its |= {
            "PackageType": "Zip",
            "Code": {"S3Bucket": bucket, "S3Key": keys[its["Code"]["ImageUri"]["Ref"]]},
            "Runtime": f"python3.{sys.version_info.minor}",
            "Handler": f"index.{command.rpartition('.')[2]}",
        }
        its["Environment"]["Variables"] |= {
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
    return made
