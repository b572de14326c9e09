"""What is said of options that a model refuses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, Field, model_validator

from rushes import Asset, CallerError, Params, Result, function, together


class Video(BaseModel):
    codec: Literal["h264", "hevc"] = "h264"


class Many(Params):
    height: int = Field(540, ge=64, le=4320, description="Lines of the picture.")
    fraction: float | None = Field(None, gt=0, description="Of the clip's size.")
    chunks: Annotated[
        Annotated[int, Field(ge=2, le=64)] | Literal["auto", "off"], BeforeValidator(lambda v: v)
    ] = Field("off", description="Parts: auto, 2 to 64, or off.")
    sheet: str = Field("4x4", pattern=r"^\d+x\d+$", examples=["4x4"], description="COLUMNSxROWS.")
    code: str = Field("a", pattern="^[a-z]$")
    video: Video = Video()

    @model_validator(mode="after")
    def _is_consistent(self) -> Many:
        if self.height != 540 and self.fraction is not None:
            msg = "height and fraction exclude each other; give one"
            raise ValueError(msg)
        return self


class Made(Result):
    name: str


@function(version="1")
def many(clip: Asset, params: Many) -> Made:
    return Made(name=clip.name)


@function(version="1")
def other(clip: Asset) -> Made:
    return Made(name=clip.name)


def refusal(**options: Any) -> str:
    with pytest.raises(CallerError) as error:
        many.params(**options)
    assert error.value.code == "bad-option"
    return str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"height": 4}, "many option height=4: expected 64 to 4320. height: Lines of the picture."),
        ({"height": "x"}, "many option height='x': expected a whole number. height: Lines of the picture."),
        ({"fraction": 0}, "many option fraction=0: expected more than 0. fraction: Of the clip's size."),
        ({"sheet": "4"}, "many option sheet='4': expected text like 4x4. sheet: COLUMNSxROWS."),
        (
            {"code": "A"},
            "many option code='A': expected another form. `rushes describe many` shows its options.",
        ),
        (
            {"chunks": 1},
            "many option chunks=1: expected 2 or more, or auto or off. chunks: Parts: auto, 2 to 64, or off.",
        ),
        (
            {"video": {"codec": "av1"}},
            "many option video.codec='av1': expected h264 or hevc. `rushes describe many` shows its options.",
        ),
        (
            {"height": 90, "fraction": 0.5},
            "many: height and fraction exclude each other; give one (given: height=90, fraction=0.5).",
        ),
        ({"heigth": 4}, "many has no option 'heigth'. Did you mean 'height'?"),
        ({"quality": 4}, "many has no option 'quality'. `rushes describe many` shows its options."),
        (
            {"show": "dune"},
            "many has no option 'show'. 'show' says how it is sent: many.with_options(show=…) in Python.",
        ),
    ],
)
def test_an_option_is_refused_in_one_sentence_with_its_value_what_was_expected_and_where_to_look(
    options: dict[str, Any], said: str
) -> None:
    assert refusal(**options).startswith(said)


def test_a_long_value_is_cut() -> None:
    assert len(refusal(height="9" * 5000)) < 250


def test_of_functions_together_the_one_is_named_whose_option_it_is() -> None:
    with pytest.raises(CallerError, match=r"^many option height=4: expected 64 to 4320\."):
        together(many, other).params(many={"height": 4})
    with pytest.raises(CallerError, match=r"^many: height and fraction exclude each other"):
        together(many, other).params(many={"height": 4, "fraction": 0.5} | {"height": 90})
    with pytest.raises(CallerError, match=r"^other has no option 'height'\."):
        together(many, other).params(other={"height": 4})
