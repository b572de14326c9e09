"""Where a slot looks for modules."""

from __future__ import annotations

from rushes.runtime.slots.slot import search_path


def test_a_slot_looks_where_its_submitter_does_in_that_order_so_that_no_project_shadows_the_library() -> None:
    theirs = ["/venv/bin", "/lib/python3.11", "/venv/site-packages", "/show/tools"]
    own = ["/", "/lib/python3.11", "/venv/site-packages"]
    assert search_path(theirs, own) == [*theirs, "/"]
    assert search_path([], own) == own
