"""The file of priority classes: what may stand in it, and how what cannot be meant is named."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from rushes.core.class_file import classes_from
from rushes.core.classes import DEFAULT_CLASSES
from rushes.core.events import QueueKey
from rushes.core.permission import Person, beyond_hours, shown_hours, why_not
from rushes.errors import CallerError

STUDIO = """
[classes.urgent]
max_share = 0.75
users = ["anna"]
groups = ["supervisors"]
slot_hours = 20
slot_hours_of = { dune = 60 }
beyond = "standard"
target = "30m"

[classes.standard]
reserved_share = 0.25
weights = { dune = 2.0 }

[classes.review]
rank = 1
may_displace = true
shows = ["dune"]
tiers = ["rack"]
purchase = ["owned", "spot"]
"""


def read(text: str) -> dict[str, Any]:
    return {one.name: one for one in classes_from(tomllib.loads(text), "studio.toml")}


def test_a_file_is_laid_over_the_classes_that_ship() -> None:
    found = read(STUDIO)

    assert list(found) == ["interactive", "review", "urgent", "standard", "background"]
    assert found["background"] == DEFAULT_CLASSES[3]
    assert (found["urgent"].rank, found["urgent"].may_displace, found["urgent"].max_share) == (1, True, 0.75)
    assert found["urgent"].target_s == 1800.0
    assert found["urgent"].hours_of("dune") == 60.0
    assert found["urgent"].hours_of("arrival") == 20.0
    assert found["standard"].weights == {"dune": 2.0}
    assert found["review"].purchase == ("owned", "spot")


def test_an_empty_file_changes_nothing() -> None:
    assert classes_from({}, "studio.toml") == DEFAULT_CLASSES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[classes.urgent]\nrnk = 1", "studio.toml.classes.urgent has a field 'rnk', which does not exist"),
        ("[classes.review]\nmay_displace = true", "studio.toml.classes.review.rank is missing"),
        ("[classes.urgent]\nmax_share = 0", "max_share is 0"),
        ("[classes.urgent]\nmax_share = 'half'", "max_share is 'half', and has to be a number"),
        ("[classes.urgent]\nreserved_share = 1.5", "reserved_share is 1.5"),
        ("[classes.urgent]\nreserved_share = 0.5\nmax_share = 0.4", "above its max_share"),
        ("[classes.urgent]\nreserved_share = 0.6\n[classes.standard]\nreserved_share = 0.4", "nothing left"),
        ("[classes.urgent]\nbeyond = 'interactive'", "beyond is 'interactive'"),
        ("[classes.urgent]\nbeyond = 'nowhere'", "beyond is 'nowhere'"),
        ("[classes.urgent]\nusers = 'anna'", "users is 'anna'"),
        ("[classes.urgent]\nusers = [3]", "users is [3]"),
        ("[classes.urgent]\npurchase = ['lottery']", "purchase has 'lottery'"),
        ("[classes.Urgent]\nrank = 1", "classes.Urgent is no name"),
        ("[classes.urgent]\nageing = 0", "ageing is nothing"),
        ("[classes.urgent]\nageing = 'soon'", "ageing is 'soon'"),
        ("[shares]\nurgent = 1", "has a field 'shares'"),
        ("[classes.urgent.weights]\ndune = 0", "weights.dune is 0"),
    ],
)
def test_what_cannot_be_meant_is_named_by_its_place(text: str, said: str) -> None:
    with pytest.raises(CallerError) as caught:
        read(text)

    assert said in caught.value.message
    assert caught.value.code == "bad-classes"
    assert caught.value.fix


def test_a_class_is_for_those_who_are_named_and_their_groups() -> None:
    urgent = read(STUDIO)["urgent"]

    assert why_not(urgent, Person("anna"), "dune") == ""
    assert why_not(urgent, Person("ben", frozenset({"supervisors"})), "dune") == ""
    assert why_not(urgent, Person("ben"), "dune") == (
        "ben may not use class urgent: it is for anna, the group supervisors"
    )


def test_a_class_is_for_the_shows_that_are_named() -> None:
    review = read(STUDIO)["review"]

    assert why_not(review, Person("ben"), "dune") == ""
    assert why_not(review, Person("ben"), "arrival") == ("class review is not for show arrival, but for dune")


def test_a_list_without_anybody_closes_a_class() -> None:
    closed = read("[classes.interactive]\nusers = []")["interactive"]

    assert why_not(closed, Person("anna"), "dune") == "anna may not use class interactive: it is for nobody"


@pytest.mark.parametrize(
    ("hours", "shown"), [(0.0, "0.0"), (0.0048, "0.0048"), (0.1, "0.1"), (19.96, "20.0"), (1234.5, "1234.5")]
)
def test_a_little_of_a_class_is_not_shown_as_nothing(hours: float, shown: str) -> None:
    assert shown_hours(hours) == shown


def test_who_has_used_the_hours_up_is_known_by_class_and_show() -> None:
    classes = tuple(read(STUDIO).values())
    hour = 3600.0
    used = {
        QueueKey("urgent", "dune"): 59.9 * hour,
        QueueKey("urgent", "arrival"): 20.0 * hour,
        QueueKey("standard", "arrival"): 900.0 * hour,
        QueueKey("gone", "arrival"): 900.0 * hour,
    }

    (over,) = beyond_hours(classes, used).values()

    assert (over.queue, over.lower) == (QueueKey("urgent", "arrival"), "standard")
    assert over.sentence == "show arrival has used 20.0 of the 20 slot-hours of urgent that it has a day"
