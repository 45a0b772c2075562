"""Which delivery a text names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from channels.sms.evidence import by_links
from pushpull.ledger.links import LinkSigner
from tests.channels.sms.senders import SIGNER, link_of

DELIVERY_OF = by_links(SIGNER)


def test_the_link_names_the_delivery() -> None:
    assert DELIVERY_OF(f"Hello, two minutes: {link_of('5-2-17')} Reply STOP") == "5-2-17"
    assert DELIVERY_OF(link_of(f"{2**47}-{2**15}-{2**60}")) == f"{2**47}-{2**15}-{2**60}"


def test_other_links_name_none() -> None:
    others = LinkSigner("another installation's link secret", None, "https://learn.example")
    assert by_links(others)(link_of("5-2-17")) is None
    assert DELIVERY_OF(SIGNER.unsubscribe_url(17, "sms", "learning")) is None
    assert DELIVERY_OF(SIGNER.unsubscribe_url(17, "sms", "learning").replace("/u/", "/l/")) is None


def test_a_link_signed_with_the_former_secret_still_names_its_delivery() -> None:
    rotated = LinkSigner("a new link secret for tests, 32 b", "a link secret for tests, 32 bytes", "https://x.example")
    assert by_links(rotated)(link_of("5-2-17")) == "5-2-17"


@given(st.text())
def test_any_text_can_be_asked_about(text: str) -> None:
    assert DELIVERY_OF(text) is None
    assert DELIVERY_OF(f"{text} /l/{text} {link_of('5-2-17')}") in ("5-2-17", None)


@given(st.integers(min_value=0), st.sampled_from("AZaz09-_"))
def test_a_changed_link_names_nothing_wrong(place: int, character: str) -> None:
    head, token = link_of("5-2-17").rsplit("/", 1)
    at = place % len(token)
    assert DELIVERY_OF(f"{head}/{token[:at]}{character}{token[at + 1 :]}") in (None, "5-2-17")
