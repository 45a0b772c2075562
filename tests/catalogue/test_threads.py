from __future__ import annotations

import pytest
from sqlalchemy import Engine, update

from pushpull.catalogue.tables import item_thread
from pushpull.catalogue.threads import BadThreadError, UnknownItemError, checked, end_thread, set_thread, thread_of
from pushpull.db import writing
from tests.learners.peers import NOW, company


def test_an_item_leads_to_one_thread_until_it_is_ended(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        assert thread_of(connection, 1) is None
        for url, place in (
            ("https://teams.microsoft.com/l/message/19:abc@thread.tacv2/1?x=1", "Teams"),
            ("https://firm.slack.com/archives/C1/p2", "Slack"),
            ("https://talk.example.org/t/7", "talk.example.org"),
            ("https://notslack.com/x", "notslack.com"),
        ):
            set_thread(connection, "i-1", url, who="ops", at=NOW)
            thread = thread_of(connection, 1)
            assert thread is not None
            assert (thread.url, thread.place) == (url, place)
        assert end_thread(connection, "i-1")
        assert not end_thread(connection, "i-1")
        with pytest.raises(UnknownItemError):
            set_thread(connection, "i-99", url, who="ops", at=NOW)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://talk.example",
        "javascript:alert(1)",
        "//talk.example/x",
        "https:///x",
        "https://localhost/x",
        "https://user:pass@talk.example/x",
        "https://talk.example/x y",
        "https://talk.example\\@evil.example",
        "https://talk.example/\u202e",
        "https://talk.example:99999/",
        "https://[::1",
        "https://talk.example/" + "x" * 2000,
    ],
)
def test_no_page_leads_elsewhere(url: str) -> None:
    with pytest.raises(BadThreadError):
        checked(url)


def test_an_address_written_past_the_check_is_not_shown(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine) as connection:
        company(connection)
        set_thread(connection, "i-1", "https://talk.example/x", who="ops", at=NOW)
        connection.execute(update(item_thread).values(url="javascript:alert(1)"))
        assert thread_of(connection, 1) is None
