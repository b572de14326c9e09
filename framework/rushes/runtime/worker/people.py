"""Who is at the other end of a socket, by the names that this machine knows.

This module must not know what anybody may.
"""

from __future__ import annotations

import grp
import os
import pwd
from functools import lru_cache

from rushes.core.permission import Person

__all__ = ["person_of"]


@lru_cache(maxsize=64)
def person_of(uid: int) -> Person:
    """A user by number; one that the machine has no name for is called by that number."""
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        return Person(str(uid))
    groups = set()
    for gid in os.getgrouplist(found.pw_name, found.pw_gid):
        try:
            groups.add(grp.getgrgid(gid).gr_name)
        except KeyError:
            groups.add(str(gid))
    return Person(found.pw_name, frozenset(groups))
