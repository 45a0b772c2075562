"""xAPI statements as learning activity, from a file or from a learning record store (LRS).

``statements`` says what a valid statement is, ``facts`` what it says about learners, ``files`` and ``lrs`` where
statements come from, and ``importing`` writes them.
"""

from pushpull.importers.xapi.importing import import_xapi
from pushpull.importers.xapi.lrs import LrsError

__all__ = ["LrsError", "import_xapi"]
