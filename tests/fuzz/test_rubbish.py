"""Whatever the app is asked, it answers, and never that it broke down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.place import Place, open_place
from tests.fuzz.asking import Asker, BrokeDownError
from tests.standin.issuer import CLIENT, SECRET, Issuer


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The company, with everything there is to ask."""
    with Issuer() as issuer:
        more = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
        with open_place(tmp_path, **more) as opened:
            yield opened


def test_five_hundred_requests_are_answered(place: Place) -> None:
    asker = Asker(place)
    asker.ask_everything(times=4)
    assert asker.answers.total() >= 500
    assert asker.answers["2xx"] > 50, "most doors stayed shut"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_thousand_requests_are_answered(place: Place) -> None:
    asker = Asker(place, start=2)
    while asker.answers.total() < 20_000:
        asker.ask_everything(times=60)
        asker.start += 1
    print(dict(asker.answers))


def test_an_app_that_breaks_down_is_found(place: Place) -> None:
    asker = Asker(place)
    with place.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE queue_place")
    with pytest.raises(BrokeDownError):
        asker.ask_everything(times=2)
