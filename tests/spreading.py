"""Which tests share a test process: those that need the same costly thing, so that it is made once.

Marked as pytest-xdist has it: ``pytestmark = pytest.mark.xdist_group("name")``, or in a list with others. Its own
``--dist loadgroup`` does not group: it writes the group into a node id that pytest 9.2 makes out of other parts
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
    """The group of a test file, by its path from the root of the checkout; empty: its tests go anywhere."""
    found = _GROUP.search((ROOT / file).read_text(encoding="utf-8"))
    return found[1] if found else ""


class ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist's classes are not typed strictly
    """Groups first, the largest one first of all; then the other tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0]) or nodeid
