"""Which tests share a test process: those of one file, and those files that need the same costly thing.

Files are put together as pytest-xdist has it, ``pytestmark = pytest.mark.xdist_group("name")`` or in a list.
Its own ``--dist loadgroup`` does not group: it writes the group into a node id that pytest 9.2 makes out of other parts
(pytest-xdist 3.8). So the group is taken from the file the test is in; it holds for the whole file.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from xdist.scheduler import LoadScopeScheduling

ROOT: Final = Path(__file__).resolve().parent.parent
_GROUP: Final = re.compile(r"\bxdist_group\(\"(\w+)\"\)")


@cache
def group_of(file: str) -> str:
    """The group of a test file, by its path from the root of the checkout; empty: it has none."""
    found = _GROUP.search((ROOT / file).read_text(encoding="utf-8"))
    return found[1] if found else ""


def turn(nodeid: str) -> str:
    """What tests are sorted by: groups take longest and come first."""
    group = group_of(nodeid.partition("::")[0])
    return f"0 {group}" if group else "1"


class ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist's classes are not typed strictly
    """One group or file after another to whichever process is free, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return group_of(file) or file
