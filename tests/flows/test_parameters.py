"""What time it is for a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from flows.parameters import NoTimeZoneError, UnreadableInstantError, lateness, moment


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


def test_a_run_that_starts_after_its_time_is_late_by_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled = datetime.now(UTC) - timedelta(hours=5)
    monkeypatch.setattr("flows.parameters.flow_run", SimpleNamespace(scheduled_start_time=scheduled))
    assert timedelta(hours=5) <= lateness("") < timedelta(hours=5, minutes=5)


def test_a_run_that_starts_before_its_time_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled = datetime.now(UTC) + timedelta(hours=5)
    monkeypatch.setattr("flows.parameters.flow_run", SimpleNamespace(scheduled_start_time=scheduled))
    assert lateness("") == timedelta(0)


def test_a_run_for_another_instant_is_never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    monkeypatch.setattr("flows.parameters.flow_run", SimpleNamespace(scheduled_start_time=long_ago))
    assert lateness("2020-01-01T00:00Z") == timedelta(0)
