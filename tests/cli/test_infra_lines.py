"""How a difference between what is deployed and what would be is read."""

from hypothesis import given
from hypothesis import strategies as st

from rushes.cli.infra_lines import LONGEST, change_line
from rushes.engines.aws.infra.changes import Change

VALUES = st.one_of(
    st.integers(), st.lists(st.text("ab", max_size=90), max_size=3), st.text("ab", max_size=200)
)


def test_short_values_stand_whole() -> None:
    assert change_line(Change("change", "Resources.A.Memory", 50, 7)) == "~ Resources.A.Memory: 50 → 7"


def test_what_comes_and_goes_is_told_with_its_type() -> None:
    queue = {"Type": "AWS::SQS::Queue"}
    assert change_line(Change("add", "Resources.Q", None, queue)) == f"{'+ Resources.Q':<44} AWS::SQS::Queue"
    assert change_line(Change("remove", "Resources.Q", queue)) == f"{'- Resources.Q':<44} AWS::SQS::Queue"


def test_long_values_that_begin_alike_are_cut_to_where_they_part() -> None:
    alike = "s3:GetObject " * 20
    line = change_line(Change("change", "Resources.Role", [alike + "one"], [alike + "another"]))
    assert line == '~ Resources.Role: …3:GetObject one"] → …3:GetObject another"]'


@given(VALUES, VALUES)
def test_what_differs_is_never_shown_alike_nor_longer_than_a_line(before: object, after: object) -> None:
    line = change_line(Change("change", "X", before, after))
    old, _, new = line.removeprefix("~ X: ").partition(" → ")
    assert max(len(old), len(new)) <= LONGEST
    assert (old == new) == (before == after)
