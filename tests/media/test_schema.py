"""The published shape of a description: documented, versioned, readable by older and newer readers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel, ValidationError

from rushes.media.describing import schema
from rushes.media.describing.schema import AudioStream, Container, MediaInfo, VideoStream

_GENERATOR = Path(__file__).parents[2] / "docs" / "reference" / "generate.py"
_MODELS = [
    m
    for m in vars(schema).values()
    if isinstance(m, type)
    and issubclass(m, BaseModel)
    and m is not BaseModel
    and not m.__name__.startswith("_")
]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_generator", _GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def info(**changes: object) -> MediaInfo:
    values: dict[str, object] = {"name": "a.mov", "container": Container(format="mov", size_bytes=1)}
    return MediaInfo.model_validate(values | changes)


def picture(index: int = 0, **changes: object) -> VideoStream:
    return VideoStream.model_validate({"index": index, "width": 1920, "height": 1080} | changes)


def test_the_published_schema_and_the_tables_of_fields_are_current(generator: ModuleType) -> None:
    assert generator.main(["--check"]) == 0, "run python docs/reference/generate.py"


@pytest.mark.parametrize("model", _MODELS, ids=lambda m: m.__name__)
def test_every_field_is_documented(model: type[BaseModel]) -> None:
    undocumented = [name for name, field in model.model_fields.items() if not field.description]

    assert undocumented == []


@pytest.mark.parametrize("model", _MODELS, ids=lambda m: m.__name__)
def test_every_model_is_exported_and_in_the_reference(generator: ModuleType, model: type[BaseModel]) -> None:
    assert model.__name__ in schema.__all__
    assert model in generator._ORDER


def test_an_older_reader_ignores_fields_that_it_does_not_know() -> None:
    newer = {**info().model_dump(mode="json"), "invented_later": {"a": 1}}

    assert MediaInfo.model_validate(newer) == info()


def test_a_newer_reader_fills_in_what_an_older_writer_left_out() -> None:
    oldest = {"name": "a.mov", "container": {"format": "mov", "size_bytes": 1}}

    assert MediaInfo.model_validate(oldest) == info()


def test_a_description_survives_json_without_its_nulls() -> None:
    whole = info(video=[picture(sar="64:45")], audio=[AudioStream(index=1, channels=2)])

    assert MediaInfo.model_validate_json(whole.model_dump_json(exclude_none=True)) == whole


def test_a_description_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        info().name = "b.mov"  # type: ignore[misc]


def test_a_cover_picture_is_never_the_primary_video() -> None:
    described = info(video=[picture(attached_picture=True), picture(1, width=320, height=180)])

    assert described.primary_video == described.video[1]
    assert info(video=[picture(attached_picture=True)]).primary_video is None


def test_the_default_track_is_primary_before_a_larger_one() -> None:
    described = info(video=[picture(0), picture(1, width=320, height=180, dispositions=["default"])])

    assert described.primary_video == described.video[1]


def test_the_duration_is_the_containers_else_that_of_the_longest_track() -> None:
    tracks = {"video": [picture(duration_s=2.0)], "audio": [AudioStream(index=1, duration_s=3.0)]}

    assert info(**tracks).duration_s == 3.0
    assert info(container=Container(format="mov", size_bytes=1, duration_s=2.5), **tracks).duration_s == 2.5
    assert info().duration_s is None


def test_a_rate_is_an_exact_number() -> None:
    assert str(picture(frame_rate="24000/1001").fps) == "24000/1001"
    assert picture().fps is None


def test_the_display_size_has_square_pixels_and_stands_upright() -> None:
    assert picture(width=720, height=576, sar="64:45").display_size == (1024, 576)
    assert picture(width=1920, height=1080, rotation=90).display_size == (1080, 1920)


def test_warnings_are_found_by_their_codes() -> None:
    described = info(warnings=["truncated: the file is cut: short", "odd-dimensions: 3×3"])

    assert described.warning_codes == {"truncated", "odd-dimensions"}
