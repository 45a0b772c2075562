"""Links that only we can have made: signed, opaque, one purpose each.

What lives here is what a link says and the URLs that carry it. How it is sealed is :mod:`pushpull.ledger.seals`; what a
page does with a valid link lives in `web`.

A token is ``version | key id | purpose | tag | sealed claims``, base64url without padding, about 70 characters:

- the keys come from the installation's secret by HKDF (RFC 5869), two for each purpose, so that a token made for one
  purpose opens nothing else;
- the tag is HMAC-SHA256 over the header and the claims, cut to 128 bits; the claims are then hidden by a key stream
  made from that tag (a synthetic initialisation vector, as in RFC 5297). Nobody can read, count or alter what is
  inside, and the same delivery always gives the same link: writing a message again changes no link;
- the tag is also the token's own id (``jti``).
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from pushpull.learners.vocabulary import Channel
from pushpull.ledger.seals import TAG_BYTES, Seal, decoded, encoded, hkdf
from pushpull.settings import Settings

#: How long a landing link may live (security: links). Whoever asks for a link counts from the delivery's own date,
#: never from a clock, so that the link stays the same.
LANDING_LIFETIME: Final = timedelta(days=30)

_VERSION: Final = 1
_HEADER: Final = struct.Struct(">BHB")  # version, key id, purpose
_LANDING: Final = struct.Struct(">IQIQHIH")  # expires, learner, campaign, item (0: none), wave (48 bit), rotation
_SUBJECT: Final = struct.Struct(">IQ")  # expires (0: never), learner; text may follow


class Purpose(StrEnum):
    """What a token is for; the value is the path that its link lives under."""

    LANDING = "l"
    UNSUBSCRIBE = "u"
    PREFERENCES = "p"
    SHARE = "s"
    ACCOUNT = "a"
    SESSION = "session"  # never in a link: what a browser keeps after it opened one


_NUMBER: Final = {
    Purpose.LANDING: 1,
    Purpose.UNSUBSCRIBE: 2,
    Purpose.PREFERENCES: 3,
    Purpose.SHARE: 4,
    Purpose.ACCOUNT: 5,
    Purpose.SESSION: 6,
}
_PURPOSE: Final = {number: purpose for purpose, number in _NUMBER.items()}


class Fault(StrEnum):
    """Why a token opens nothing."""

    FORGED = "forged"
    EXPIRED = "expired"
    WRONG_PURPOSE = "wrong_purpose"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says.

    Args:
        purpose: what it opens.
        learner_id: whose link it is; 0 for a share, which is anybody's.
        jti: the token's own id, hex; the same for the same claims.
        expires_at: None when the link does not expire.
        campaign_id, item_id, wave_id, rotation: which delivery carried a landing link, and the item it leads to.
        channel, family: what an unsubscribe link opts out of; ``*`` stands for all.
        share_id: which share was passed on.
    """

    purpose: Purpose
    learner_id: int
    jti: str
    expires_at: datetime | None = None
    campaign_id: int | None = None
    item_id: int | None = None
    wave_id: int | None = None
    rotation: int | None = None
    channel: str | None = None
    family: str | None = None
    share_id: int | None = None


class LinkError(Exception):
    """A token that opens nothing.

    Args:
        kind: why.
        claims: what the token says, where its signature is ours: an expired link still leads somewhere useful.
    """

    def __init__(self, kind: Fault, claims: Claims | None = None) -> None:
        super().__init__(f"this link opens nothing: {kind}")
        self.kind = kind
        self.claims = claims


class LinkSigner:
    """Makes links and reads them back.

    Args:
        secret: the installation's link secret.
        previous: the former one, whose links still open.
        base_url: public address of the web app.
    """

    def __init__(self, secret: str, previous: str | None, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._making = _seals(secret)
        self._reading = [self._making, *([_seals(previous)] if previous else [])]
        self._landing = self._making[Purpose.LANDING]
        self._form_keys = [_form_key(each) for each in (secret, previous) if each]
        self._network_key = _key(secret, "network")

    @classmethod
    def of(cls, settings: Settings) -> LinkSigner:
        """The signer of this installation."""
        previous = settings.link_key_previous
        return cls(
            settings.link_key.get_secret_value(),
            previous.get_secret_value() if previous else None,
            settings.base_url,
        )

    def landing_url(
        self,
        learner_id: int,
        campaign_id: int,
        item_id: int | None,
        wave_id: int,
        rotation: int,
        expires: datetime,
    ) -> str:
        """The way in: one learner's link to what a delivery is about.

        Args:
            item_id: the item it leads to; None leads to the campaign's current one.
            expires: at most :data:`LANDING_LIFETIME` after the delivery's own date; aware.
        """
        claims = _packed(learner_id, campaign_id, item_id, wave_id, rotation, expires)
        return f"{self._base_url}/l/{self._landing.token(claims)}"

    def unsubscribe_url(self, learner_id: int, channel: Channel | str, family: str) -> str:
        """One-click unsubscribe (RFC 8058) from one family on one channel; it does not expire."""
        claims = _SUBJECT.pack(0, learner_id) + f"{channel}/{family}".encode()
        return f"{self._base_url}/u/{self._making[Purpose.UNSUBSCRIBE].token(claims)}"

    def preferences_url(self, learner_id: int) -> str:
        """The learner's own preference page; it does not expire."""
        return f"{self._base_url}/p/{self._making[Purpose.PREFERENCES].token(_SUBJECT.pack(0, learner_id))}"

    def share_url(self, share_id: int) -> str:
        """A learner's own link to an item, for others; it does not expire, and names nobody."""
        return f"{self._base_url}/s/{self._making[Purpose.SHARE].token(_SUBJECT.pack(0, share_id))}"

    def account_url(self, learner_id: int, expires: datetime) -> str:
        """The way to everything that is kept of a learner, and to erasing it: only for a short while."""
        claims = _SUBJECT.pack(int(expires.timestamp()), learner_id)
        return f"{self._base_url}/a/{self._making[Purpose.ACCOUNT].token(claims)}"

    def session_token(self, claims: Claims, expires: datetime) -> str:
        """What a browser keeps after it opened the link of these claims."""
        packed = _packed(
            claims.learner_id,
            claims.campaign_id or 0,
            claims.item_id,
            claims.wave_id or 0,
            claims.rotation or 0,
            expires,
        )
        return self._making[Purpose.SESSION].token(packed)

    def form_token(self, session: str) -> str:
        """What every form of a session carries, so that no other site can send one."""
        return _form_token(self._form_keys[0], session)

    def is_form_token(self, session: str, given: str) -> bool:
        """Whether a form belongs to the session."""
        offered = given.encode(errors="replace")
        return any(hmac.compare_digest(_form_token(key, session).encode(), offered) for key in self._form_keys)

    def network_id(self, block: str) -> str:
        """What stands for a block of addresses where openings are kept: 32 hex digits, which only the key leads back.

        Args:
            block: as :func:`pushpull.ledger.networks.block_of` gives it.
        """
        return hmac.digest(self._network_key, block.encode(errors="replace"), "sha256").hex()[:32]

    def read(self, token: str, purpose: Purpose, now: datetime) -> Claims:
        """What a token says.

        Args:
            token: the last part of a link's path, as it came in: any text.
            purpose: what the page that got it is for.
            now: aware UTC.

        Raises:
            LinkError: the token is forged, expired or made for another purpose.
        """
        claims = self.signed(token)
        if claims.purpose is not purpose:
            raise LinkError(Fault.WRONG_PURPOSE, claims)
        if claims.expires_at is not None and now >= claims.expires_at:
            raise LinkError(Fault.EXPIRED, claims)
        return claims

    def signed(self, token: str) -> Claims:
        """What a token of ours says, whatever it is for and however old it is: this opens nothing.

        Raises:
            LinkError: it is forged.
        """
        try:
            raw = decoded(token)
        except ValueError:
            raise LinkError(Fault.FORGED) from None
        if len(raw) < _HEADER.size + TAG_BYTES:
            raise LinkError(Fault.FORGED)
        header, tag, hidden = raw[: _HEADER.size], raw[_HEADER.size :][:TAG_BYTES], raw[_HEADER.size + TAG_BYTES :]
        version, _, number = _HEADER.unpack(header)
        purpose = _PURPOSE.get(number)
        if version == _VERSION and purpose is not None:
            for seals in self._reading:
                seal = seals[purpose]
                if seal.header == header:
                    shown = seal.hide(hidden, tag)
                    if hmac.compare_digest(seal.tag(shown), tag):
                        return _claims(purpose, shown, tag.hex())
        raise LinkError(Fault.FORGED)


def _form_key(secret: str) -> bytes:
    return _key(secret, "form")


def _key(secret: str, use: str) -> bytes:
    return hkdf(secret.encode(), salt=b"pushpull link", info=f"v{_VERSION} {use}".encode(), length=32)


def _form_token(key: bytes, session: str) -> str:
    return encoded(hmac.digest(key, session.encode(errors="replace"), "sha256"))


def _packed(
    learner_id: int, campaign_id: int, item_id: int | None, wave_id: int, rotation: int, expires: datetime
) -> bytes:
    until = int(expires.timestamp())
    return _LANDING.pack(until, learner_id, campaign_id, item_id or 0, wave_id >> 32, wave_id & 0xFFFFFFFF, rotation)


def _seals(secret: str) -> dict[Purpose, Seal]:
    ikm = secret.encode()
    key_id = int.from_bytes(hkdf(ikm, salt=b"pushpull link", info=b"key id", length=2), "big")
    return {
        purpose: Seal(
            hkdf(ikm, salt=b"pushpull link", info=f"v{_VERSION} {purpose.name.lower()}".encode(), length=64),
            _HEADER.pack(_VERSION, key_id, number),
        )
        for purpose, number in _NUMBER.items()
    }


def _claims(purpose: Purpose, shown: bytes, jti: str) -> Claims:
    """Claims whose tag was ours: their form is sure."""
    if purpose in (Purpose.LANDING, Purpose.SESSION):
        expires, learner_id, campaign_id, item_id, wave_high, wave_low, rotation = _LANDING.unpack(shown)
        return Claims(
            purpose=purpose,
            learner_id=learner_id,
            jti=jti,
            expires_at=_instant(expires),
            campaign_id=campaign_id or None,
            item_id=item_id or None,
            wave_id=wave_high << 32 | wave_low or None,
            rotation=rotation,
        )
    expires, learner_id = _SUBJECT.unpack_from(shown)
    if purpose is Purpose.SHARE:
        return Claims(purpose=purpose, learner_id=0, jti=jti, expires_at=_instant(expires), share_id=learner_id)
    channel, _, family = shown[_SUBJECT.size :].decode().partition("/")
    return Claims(
        purpose=purpose,
        learner_id=learner_id,
        jti=jti,
        expires_at=_instant(expires),
        channel=channel or None,
        family=family or None,
    )


def _instant(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
