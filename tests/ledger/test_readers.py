"""Who opened a link, by what a request says and by what happened around it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushpull.ledger.networks import block_of
from pushpull.ledger.readers import BURST, TRAP_REACH, Judgement, Opening, Seen, judged, second_thoughts
from pushpull.ledger.vocabulary import FetchKind, Reader

NOON = datetime(2026, 1, 12, 12, tzinfo=UTC)
FIREFOX = Opening(
    agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    accept="text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    accept_language="de,en;q=0.7",
    fetch_mode="navigate",
    fetch_dest="document",
)
PHONE = replace(
    FIREFOX,
    agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1",
)


@pytest.mark.parametrize("browser", [FIREFOX, PHONE], ids=["desktop", "phone"])
def test_a_browser_that_follows_a_link_has_a_person_before_it(browser: Opening) -> None:
    assert judged(browser) == Judgement(Reader.HUMAN, "navigation")
    assert judged(replace(browser, seconds_after=3600.0)).reader is Reader.HUMAN


@pytest.mark.parametrize(
    ("changes", "reader", "why"),
    [
        ({"method": "HEAD"}, Reader.SCANNER, "method"),
        ({"agent": " "}, Reader.SCANNER, "no_agent"),
        ({"agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"}, Reader.SCANNER, "agent_slack"),
        ({"agent": "Mozilla/5.0 (Windows NT 10.0) SkypeUriPreview Preview/0.5"}, Reader.SCANNER, "agent_teams"),
        ({"agent": "WhatsApp/2.23.20.0"}, Reader.SCANNER, "agent_preview"),
        ({"agent": "Mozilla/5.0 (X11) AppleWebKit HeadlessChrome/140.0"}, Reader.SCANNER, "agent_headless"),
        ({"agent": "curl/8.5.0"}, Reader.SCANNER, "agent_tool"),
        ({"agent": "Go-http-client/2.0"}, Reader.SCANNER, "agent_tool"),
        ({"purpose": "prefetch;prerender"}, Reader.SCANNER, "prefetch"),
        ({"fetch_mode": "no-cors", "fetch_dest": "image"}, Reader.SCANNER, "not_a_navigation"),
        ({"fetch_dest": "iframe"}, Reader.SCANNER, "not_a_navigation"),
        ({"seconds_after": 1.0}, Reader.SCANNER, "too_soon"),
        ({"seconds_after": 12.0}, Reader.UNKNOWN, "soon"),
        ({"agent": "MyMail 4.2"}, Reader.UNKNOWN, "no_browser"),
        ({"fetch_mode": "", "fetch_dest": ""}, Reader.UNKNOWN, "no_fetch_metadata"),
        ({"accept": "*/*"}, Reader.UNKNOWN, "no_page_wanted"),
        ({"accept_language": ""}, Reader.UNKNOWN, "no_language"),
    ],
)
def test_one_thing_that_speaks_against_a_person_is_enough(changes: dict[str, object], reader: Reader, why: str) -> None:
    assert judged(replace(FIREFOX, **changes)) == Judgement(reader, why)  # type: ignore[arg-type]


def test_a_clock_that_is_behind_the_databases_says_nothing() -> None:
    assert judged(replace(FIREFOX, seconds_after=-2.0)).reader is Reader.HUMAN


def test_every_rule_fits_into_its_column() -> None:
    from pushpull.ledger import readers

    assert all(len(name) <= 32 for name in readers._AGENTS)


def seen(id_: int, after: float, token: str, kind: FetchKind = FetchKind.LANDING, learner_id: int | None = 1) -> Seen:
    return Seen(id_, NOON + timedelta(seconds=after), kind, Reader.HUMAN, token, learner_id)


def test_who_opens_all_links_of_a_message_within_seconds_is_a_scanner_from_the_first_one_on() -> None:
    opened = [seen(1, 0, "a"), seen(2, 1, "u", FetchKind.UNSUBSCRIBE), seen(3, 2, "p", FetchKind.PREFERENCES)]
    assert second_thoughts(opened) == {1: "burst", 2: "burst", 3: "burst"}
    assert second_thoughts(opened[:2]) == {}


def test_a_person_may_open_one_link_often_and_several_slowly() -> None:
    assert second_thoughts([seen(n, n, "a") for n in range(8)]) == {}
    assert second_thoughts([seen(n, n * 6, str(n)) for n in range(8)]) == {}


def test_many_people_at_once_are_no_scanner() -> None:
    assert second_thoughts([seen(n, 0, str(n), learner_id=n) for n in range(1, 200)]) == {}
    assert second_thoughts([seen(n, 0, str(n), learner_id=None) for n in range(200)]) == {}


def test_who_follows_what_nobody_can_see_read_nothing_before_either() -> None:
    openings = [
        seen(1, 0, "a"),
        seen(2, 30, "", FetchKind.START),
        seen(3, 40, "", FetchKind.TRAP),
        seen(4, 40 + TRAP_REACH.total_seconds() + 1, "a"),
        seen(5, 40, "b", learner_id=2),
    ]
    assert {1, 2} <= set(second_thoughts(openings)) <= {1, 2, 3}


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.sampled_from("abcde"), st.sampled_from([FetchKind.LANDING, FetchKind.START])),
        max_size=12,
    )
)
def test_a_burst_is_found_in_whatever_order_it_is_told(told: list[tuple[float, str, FetchKind]]) -> None:
    openings = [seen(n, *each) for n, each in enumerate(told)]
    expected = {
        one.id
        for one in openings
        if any(
            len({w.token_id for w in window if w.kind is FetchKind.LANDING}) >= 3 and one in window
            for last in openings
            for window in [[w for w in openings if timedelta() <= last.at - w.at <= BURST]]
        )
    }
    assert set(second_thoughts(reversed(openings))) == expected


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("testclient", ""),
        ("", ""),
        ("203.0.113.77\r\nX: y", ""),
    ],
)
def test_an_address_is_known_by_its_block_alone(address: str, block: str) -> None:
    assert block_of(address) == block
