from __future__ import annotations

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY, Channel
from pushpull.ledger.links import Claims, Fault, LinkError, LinkSigner, Purpose
from pushpull.ledger.seals import hkdf
from pushpull.settings import Settings

NOW = datetime(2026, 1, 12, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
SIGNER = LinkSigner("a secret of some length", None, "https://learn.example/")
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def token_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


def a_landing_token(signer: LinkSigner = SIGNER, **changes: object) -> str:
    about = {"learner_id": 7, "campaign_id": 3, "item_id": 11, "wave_id": 5, "rotation": 0, "expires": LATER} | changes
    return token_of(signer.landing_url(**about))


def fault(token: str, purpose: Purpose = Purpose.LANDING, now: datetime = NOW, signer: LinkSigner = SIGNER) -> Fault:
    with pytest.raises(LinkError) as caught:
        signer.read(token, purpose, now)
    return caught.value.kind


def test_keys_are_derived_as_rfc_5869_says() -> None:
    # Appendix A.1 and A.3.
    okm = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    info = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9")
    assert hkdf(b"\x0b" * 22, salt=bytes(range(13)), info=info, length=42).hex() == okm
    bare = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert hkdf(b"\x0b" * 22, salt=b"", info=b"", length=42).hex() == bare


@given(
    learner_id=st.integers(1, 2**63 - 1),
    campaign_id=st.integers(1, 2**32 - 1),
    item_id=st.none() | st.integers(1, 2**63 - 1),
    wave_id=st.integers(1, 2**48 - 1),
    rotation=st.integers(0, 32767),
    days=st.integers(1, 20_000),
)
def test_a_landing_link_says_what_it_was_made_from(
    learner_id: int, campaign_id: int, item_id: int | None, wave_id: int, rotation: int, days: int
) -> None:
    expires = NOW + timedelta(days=days)
    url = SIGNER.landing_url(learner_id, campaign_id, item_id, wave_id, rotation, expires)
    assert url.startswith("https://learn.example/l/")
    claims = SIGNER.read(token_of(url), Purpose.LANDING, NOW)
    assert claims == Claims(
        purpose=Purpose.LANDING,
        learner_id=learner_id,
        jti=claims.jti,
        expires_at=expires,
        campaign_id=campaign_id,
        item_id=item_id,
        wave_id=wave_id,
        rotation=rotation,
    )


@given(
    learner_id=st.integers(1, 2**63 - 1),
    channel=st.sampled_from([*Channel, ANY_CHANNEL]),
    family=st.just(ANY_FAMILY) | st.text(min_size=1, max_size=64),
)
def test_an_unsubscribe_link_names_channel_and_family(learner_id: int, channel: str, family: str) -> None:
    token = token_of(SIGNER.unsubscribe_url(learner_id, channel, family))
    claims = SIGNER.read(token, Purpose.UNSUBSCRIBE, NOW)
    assert (claims.learner_id, claims.channel, claims.family) == (learner_id, channel, family)


def test_an_unsubscribe_link_still_opens_after_years() -> None:
    token = token_of(SIGNER.unsubscribe_url(7, Channel.EMAIL, "learning"))
    assert SIGNER.read(token, Purpose.UNSUBSCRIBE, NOW + timedelta(days=3650)).learner_id == 7


def test_writing_a_message_again_gives_the_same_link() -> None:
    assert a_landing_token() == a_landing_token()
    assert a_landing_token() != a_landing_token(rotation=1)


def test_each_delivery_has_a_token_id_of_its_own() -> None:
    ids = {
        SIGNER.read(a_landing_token(learner_id=learner_id, wave_id=wave_id), Purpose.LANDING, NOW).jti
        for learner_id in range(1, 100)
        for wave_id in range(1, 20)
    }
    assert len(ids) == 99 * 19


def test_nobody_can_read_or_count_learners_from_links() -> None:
    raw = [urlsafe_b64decode(a_landing_token(learner_id=n) + "==") for n in (7, 8)]
    differing = sum(left != right for left, right in zip(*raw, strict=True))
    assert differing > 40  # of 52 bytes, all but the header; equal bytes are chance
    assert b"learning" not in urlsafe_b64decode(token_of(SIGNER.unsubscribe_url(7, "email", "learning")) + "==")


def test_a_link_expires_on_its_instant_and_still_says_what_it_was_about() -> None:
    token = a_landing_token()
    assert SIGNER.read(token, Purpose.LANDING, LATER - timedelta(seconds=1)).learner_id == 7
    with pytest.raises(LinkError) as caught:
        SIGNER.read(token, Purpose.LANDING, LATER)
    assert caught.value.kind is Fault.EXPIRED
    assert caught.value.claims is not None
    assert caught.value.claims.campaign_id == 3


def test_a_link_of_one_purpose_opens_nothing_else() -> None:
    tokens = {
        Purpose.LANDING: a_landing_token(),
        Purpose.UNSUBSCRIBE: token_of(SIGNER.unsubscribe_url(7, "email", "learning")),
        Purpose.PREFERENCES: token_of(SIGNER.preferences_url(7)),
    }
    for made_for, token in tokens.items():
        for purpose in Purpose:
            if purpose is made_for:
                SIGNER.read(token, purpose, NOW)
            else:
                assert fault(token, purpose) is Fault.WRONG_PURPOSE


def test_relabelling_a_token_for_another_purpose_is_forgery() -> None:
    raw = bytearray(urlsafe_b64decode(a_landing_token() + "=="))
    raw[3] = 2
    assert fault(urlsafe_b64encode(raw).rstrip(b"=").decode(), Purpose.UNSUBSCRIBE) is Fault.FORGED


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "AA",
        "A" * 70,
        "=" * 8,
        "é" * 20,
        "\0" * 10,
        "../../etc/passwd",
        "A" * 10_000,
        "%2e%2e",
        "\u202eabc",
        "-" * 70,
    ],
)
def test_other_text_is_no_token(token: str) -> None:
    assert fault(token) is Fault.FORGED


def test_no_changed_token_is_accepted() -> None:
    draw = random.Random(1)
    good = a_landing_token()
    for _ in range(20_000):
        changed = list(good)
        match draw.randrange(4):
            case 0:
                changed[draw.randrange(len(changed))] = draw.choice(BASE64URL)
            case 1:
                del changed[draw.randrange(len(changed))]
            case 2:
                changed.insert(draw.randrange(len(changed)), draw.choice(BASE64URL + "=+/ \n"))
            case _:
                changed = changed[: draw.randrange(len(changed))]
        token = "".join(changed)
        if token != good:
            assert fault(token) is Fault.FORGED


def test_the_former_secret_opens_links_until_it_is_gone() -> None:
    old = LinkSigner("the former secret", None, "https://learn.example")
    token = a_landing_token(old)
    rotating = LinkSigner("the new secret", "the former secret", "https://learn.example")
    assert rotating.read(token, Purpose.LANDING, NOW).learner_id == 7
    assert a_landing_token(rotating) != token
    assert fault(token, signer=LinkSigner("the new secret", None, "https://learn.example")) is Fault.FORGED


def test_settings_give_a_signer() -> None:
    signer = LinkSigner.of(Settings(_env_file=None, base_url="https://learn.example"))
    assert signer.preferences_url(7).startswith("https://learn.example/p/")
