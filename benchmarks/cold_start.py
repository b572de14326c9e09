"""One cold start, in a process of its own; prints the seconds that it took.

    python cold_start.py entry|handler|pydantic|plain      what is imported
    python cold_start.py declared                          a model of pydantic, declared and not built
    python cold_start.py client                            the SDK's client of S3, made and never asked
    python cold_start.py least                             what no first call can do without
    python cold_start.py bare                              the same, the SDK's client left out
    python cold_start.py first                             the first call of `inspect`, as the image's handler
    python cold_start.py own                               the same of `handler = inspect.lambda_handler`
    python cold_start.py usual                             the same work by a handler as it is usually written

It prints the seconds of a processor too, those of the reader of clips included. ``bare``, ``first``,
``own`` and ``usual`` ask the server that AWS_ENDPOINT_URL names for ``s3://cards/clip.mov``.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

_EVENT = {"source": "s3://cards/clip.mov"}
_IMPORTS = {
    "entry": "import rushes.engines.aws.entry",
    "handler": "from rushes_functions.inspect import inspect; handler = inspect.lambda_handler",
    "pydantic": "import pydantic",
    "declared": (
        "from pydantic import BaseModel, ConfigDict\n"
        "class Video(BaseModel):\n    model_config = ConfigDict(defer_build=True)\n    codec: str"
    ),
    "client": "import botocore.session; botocore.session.Session().create_client('s3')",
    "least": (
        "import botocore.session, os, pydantic\n"
        "from aws_lambda_powertools import Logger, Metrics\n"
        "from rushes.engines.aws.access.sdk_data import loader_of\n"
        "class Video(pydantic.BaseModel):\n    codec: str\n"
        "Video(codec='h264'), Logger(service='x'), Metrics(namespace='x', service='x')\n"
        "session = botocore.session.Session()\n"
        "session.register_component('data_loader', loader_of(os.environ['RUSHES_SDK_DATA'], 's3'))\n"
        "session.create_client('s3')"
    ),
    # Not signed: that is a few digests of a few hundred bytes.
    "bare": (
        "import hashlib, hmac, http.client, os, pydantic, ssl\n"
        "from aws_lambda_powertools import Logger, Metrics\n"
        "class Video(pydantic.BaseModel):\n    codec: str\n"
        "Video(codec='h264'), Logger(service='x'), Metrics(namespace='x', service='x')\n"
        "server = http.client.HTTPConnection(os.environ['AWS_ENDPOINT_URL'].partition('//')[2])\n"
        "for method in ('HEAD', 'GET'):\n"
        "    server.request(method, '/cards/clip.mov', headers={'Range': 'bytes=0-65535'})\n"
        "    server.getresponse().read()"
    ),
    "plain": "import boto3, aws_lambda_powertools, pydantic, av",
}


def _first() -> Any:
    from rushes.engines.aws.entry import work  # noqa: PLC0415 - it is what is measured

    return work(_EVENT, None)[0]["result"]["media"]["video"][0]["codec"]


def _own() -> Any:
    from rushes_functions.inspect import inspect  # noqa: PLC0415 - as above

    return inspect.lambda_handler(_EVENT, None)[0]["result"]["media"]["video"][0]["codec"]


def _usual() -> Any:
    """Imports everything, fetches the clip, looks into it with PyAV, and tells."""
    import tempfile  # noqa: PLC0415 - as above

    import av  # noqa: PLC0415 - as above
    import boto3  # noqa: PLC0415
    from aws_lambda_powertools import Logger, Metrics  # noqa: PLC0415
    from pydantic import BaseModel  # noqa: PLC0415

    class Video(BaseModel):
        codec: str
        width: int

    logger, metrics = Logger(service="inspect"), Metrics(namespace="Usual", service="inspect")
    place = f"{tempfile.gettempdir()}/clip.mov"
    boto3.client("s3").download_file("cards", "clip.mov", place)
    with av.open(place) as container:
        stream = container.streams.video[0]
        video = Video(codec=stream.codec_context.name, width=stream.width)
    logger.info("succeeded")
    metrics.add_metric(name="succeeded", unit="Count", value=1)
    metrics.flush_metrics()
    return video.codec


def main() -> None:
    what = sys.argv[1]
    began = time.perf_counter()
    if what in _IMPORTS:
        exec(_IMPORTS[what], {})  # noqa: S102 - one of the lines above
        said = ""
    else:
        said = str({"first": _first, "own": _own, "usual": _usual}[what]())
    seconds = time.perf_counter() - began
    if what not in _IMPORTS:
        assert said == "mjpeg", said
    if (reader := sys.modules.get("rushes.media.readers.reader")) is not None:
        reader._end_all()  # noqa: SLF001 - what it has used is known once it has ended
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": seconds, "cpu_seconds": sum(one.ru_utime + one.ru_stime for one in used)}))


main()
