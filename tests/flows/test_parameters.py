"""What time it is for a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.parameters import NoTimeZoneError, UnreadableInstantError, moment


@pytest.mark.parametrize("live", [False, True])
def test_a_run_without_an_instant_has_a_plain_one_whose_sums_keep_their_zone(live: bool) -> None:
    now = moment("", live=live)
    assert type(now) is datetime  # nothing of Prefect's: that of pendulum would come out of the sum without a zone
    assert (now - timedelta(days=7)).tzinfo is UTC
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=5)


def test_an_instant_is_read_with_its_offset() -> None:
    assert moment("2026-01-12T00:05+01:00") == datetime(2026, 1, 11, 23, 5, tzinfo=UTC)


def test_an_instant_that_cannot_be_read_is_told_in_words() -> None:
    with pytest.raises(NoTimeZoneError, match="2026-01-12T00:05Z"):
        moment("2026-01-12")
    with pytest.raises(UnreadableInstantError, match="soon"):
        moment("soon")
