"""What is kept of one person: where it is, all of it to take along, and erasing it.

`places` lists the tables, `mentions` finds a person inside texts, `exporting` reads and `erasing` erases.
"""

from pushpull.personal.erasing import Erased, erase, let_back_in
from pushpull.personal.exporting import Kept, PersonalData, data_of
from pushpull.personal.mentions import learner_id_of
from pushpull.personal.places import Shelf

__all__ = ["Erased", "Kept", "PersonalData", "Shelf", "data_of", "erase", "learner_id_of", "let_back_in"]
