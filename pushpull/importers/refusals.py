"""Why a row is put into quarantine: the closed set of reasons, and the exception that carries one."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """The reason a row or a statement was not taken in."""

    # the row as such
    UNREADABLE_ROW = "unreadable_row"  # quoting that does not end, or a cell beyond the size cap
    WRONG_CELL_COUNT = "wrong_cell_count"  # more or fewer cells than the header: often a file that was cut
    NUL_BYTE = "nul_byte"
    UNDECODABLE_TEXT = "undecodable_text"  # bytes that are no text in the file's encoding
    # a value
    MISSING = "missing"
    TOO_LONG = "too_long"
    UNREADABLE_DATE = "unreadable_date"
    AMBIGUOUS_DATE = "ambiguous_date"  # day and month could be swapped and no order was declared
    UNREADABLE_NUMBER = "unreadable_number"
    OUT_OF_RANGE = "out_of_range"
    UNREADABLE_BOOLEAN = "unreadable_boolean"
    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_VALUE = "unknown_value"
    UNKNOWN_TIMEZONE = "unknown_timezone"
    UNREADABLE_LANGUAGE = "unreadable_language"
    UNREADABLE_EMAIL = "unreadable_email"
    UNREADABLE_PHONE = "unreadable_phone"
    UNREADABLE_URL = "unreadable_url"
    UNKNOWN_EVENT = "unknown_event"  # nothing says what a record of this kind means
    # the row beside what is known
    UNKNOWN_PERSON = "unknown_person"
    AMBIGUOUS_PERSON = "ambiguous_person"  # several people have the address that stands for the learner
    UNKNOWN_ITEM = "unknown_item"
    REPEATED_KEY = "repeated_key"  # the same key earlier in the file, with other values
    EMAIL_TAKEN = "email_taken"
    IDENTITY_TAKEN = "identity_taken"
    ERASED = "erased"  # the person was erased and stays it, until ops take them in again: pushpull learner readmit
    # xAPI
    INVALID_JSON = "invalid_json"
    INVALID_STATEMENT = "invalid_statement"
    NO_MEMBERS = "no_members"  # an identified group that does not say who is in it
    OBJECT_IS_A_PERSON = "object_is_a_person"
    ONLY_INTENDED = "only_intended"  # a SubStatement says what is planned, not what was done
    VERB_TOO_LONG = "verb_too_long"


class Refused(Exception):
    """One value or row that is not taken in; the importer turns it into a line of the quarantine.

    Args:
        reason: why.
        detail: a short code that helps a person find the cause. Never the value itself: it may be personal.
        field: the field it is about; the importer fills in the one it was reading when this is empty.
    """

    def __init__(self, reason: Refusal, detail: str | None = None, *, field: str | None = None) -> None:
        super().__init__(f"{field or 'row'}: {reason.value}" + (f" ({detail})" if detail else ""))
        self.reason = reason
        self.detail = detail
        self.field = field
