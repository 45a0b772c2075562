"""What keeps mail from arriving is found before it is sent, and what nobody can tell is never held against a sender."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from channels.deliverability import CannotTell, Finding, MailDomain, Severity, check_domain
from channels.deliverability.dmarc import check_dmarc
from channels.deliverability.readiness import (
    check_channels,
    check_group,
    check_link_key,
    check_own_address,
    check_record,
)
from channels.deliverability.resolver import Impatient
from channels.deliverability.spf import check_spf
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.preflight import MailRecord


def rsa_key(bits: int) -> str:
    public = generate_private_key(65537, bits).public_key()
    return b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


GOOD_KEY = rsa_key(2048)
GOOD_DNS: Mapping[str, Sequence[str]] = {
    "example.org": ["v=spf1 include:sendgrid.net ~all", "google-site-verification=abc"],
    "sendgrid.net": ["v=spf1 ip4:192.0.2.0/24 ~all"],
    "s1._domainkey.example.org": [f"k=rsa; t=s; p={GOOD_KEY}"],
    "s2._domainkey.example.org": [f"v=DKIM1; k=rsa; p={GOOD_KEY}"],
    "_dmarc.example.org": ["v=DMARC1; p=none; rua=mailto:reports@example.org"],
}


class Zone:
    """A DNS in memory. A name whose value is None gives no answer."""

    def __init__(self, texts: Mapping[str, Sequence[str] | None], aliases: Mapping[str, str] | None = None) -> None:
        self._texts, self._aliases = texts, aliases or {}
        self.asked: list[str] = []

    def txt(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        found = self._texts.get(name, [])
        if found is None:
            raise CannotTell(name)
        return found

    def cname(self, name: str) -> str | None:
        if self._texts.get(name, []) is None:
            raise CannotTell(name)
        return self._aliases.get(name)


def codes(findings: Sequence[Finding]) -> list[str]:
    return [f"{finding.severity[0]}:{finding.code}" for finding in findings]


def domain_with(changes: Mapping[str, Sequence[str] | None], *, return_path: str | None = None) -> list[str]:
    return codes(check_domain(MailDomain("example.org", return_path), Zone({**GOOD_DNS, **changes})))


def spf_of(record: str | Sequence[str], **others: Sequence[str] | None) -> list[str]:
    """What is wrong with a record; names of others have _ for a dot."""
    texts: dict[str, Sequence[str] | None] = {"sendgrid.net": GOOD_DNS["sendgrid.net"]}
    texts["example.org"] = [record] if isinstance(record, str) else record
    texts.update({name.replace("_", "."): value for name, value in others.items()})
    return codes(check_spf("example.org", "sendgrid.net", Zone(texts), has_to_carry=True))


def test_a_domain_that_is_set_up_well_has_no_findings() -> None:
    assert domain_with({}) == []


def test_a_domain_that_does_not_exist_may_not_send() -> None:
    found = codes(check_domain(MailDomain("learning.example"), Zone({})))
    assert found == ["e:spf-missing", "e:dkim-missing", "e:dmarc-missing"]


@pytest.mark.parametrize("name", ["", "localhost", "ex ample", "a..org", "x" * 300 + ".org", "\udcff.org"])
def test_garbage_is_no_domain(name: str) -> None:
    found = codes(check_domain(MailDomain(name), Zone({})))
    assert found == ["e:sender-domain"] or name == "ex ample"


def test_every_finding_says_what_to_do() -> None:
    for finding in check_domain(MailDomain("learning.example"), Zone({})):
        assert "learning.example" in finding.message
        assert ": " in finding.message
        assert "  " not in finding.message


def test_a_dns_without_answers_proves_nothing() -> None:
    silent = dict.fromkeys(GOOD_DNS)
    found = check_domain(MailDomain("example.org"), Zone(silent))
    assert {finding.severity for finding in found} == {Severity.WARNING}
    assert {finding.code for finding in found} == {"spf-unknown", "dkim-unknown", "dmarc-unknown"}


def test_a_dns_that_has_taken_too_long_is_not_asked_on() -> None:
    zone = Zone(dict.fromkeys(GOOD_DNS))
    now = iter(range(0, 1000, 5))
    found = check_domain(MailDomain("example.org"), Impatient(zone, seconds=12, monotonic=lambda: float(next(now))))
    assert len(zone.asked) == 2
    assert not any(finding.is_error for finding in found)


@given(st.sets(st.sampled_from(sorted(GOOD_DNS))))
def test_silence_about_any_part_of_a_good_domain_is_never_an_error(silent: set[str]) -> None:
    found = check_domain(MailDomain("example.org"), Zone({**GOOD_DNS, **dict.fromkeys(silent)}))
    assert not any(finding.is_error for finding in found)


@given(st.dictionaries(st.sampled_from(sorted(GOOD_DNS)), st.lists(st.text(max_size=60), max_size=3)))
def test_garbage_in_the_dns_is_a_finding_and_not_a_crash(garbage: dict[str, list[str]]) -> None:
    for finding in check_domain(MailDomain("example.org"), Zone({**GOOD_DNS, **garbage})):
        assert finding.message


# --- SPF ---


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=spf1 include:sendgrid.net -all", []),
        ("V=SPF1 Include:SendGrid.net. -ALL", []),
        ("v=spf1 a mx/24 mx:mail.example.org include:u1.wl.sendgrid.net -all", []),
        ("v=spf1 redirect=sendgrid.net", []),
        ("v=spf1 include:sendgrid.net exp=why.example.org -all", []),
        ("v=spf1 -all", ["e:spf-without-provider"]),
        ("v=spf1 include:notsendgrid.net -all", ["e:spf-without-provider"]),
        ("v=spf1 include:sendgrid.net +all", ["e:spf-allows-all"]),
        ("v=spf1 include:sendgrid.net all", ["e:spf-allows-all"]),
        ("v=spf1 include:sendgrid.net ?all", ["w:spf-neutral"]),
        ("v=spf1 include:sendgrid.net", ["w:spf-open-ended"]),
        ("v=spf1 include:sendgrid.net -all +all", []),
        ("v=spf1 include:sendgrid.net mechanism:x -all", ["e:spf-syntax"]),
        ("v=spf1 include: include:sendgrid.net -all", ["e:spf-syntax"]),
        ("v=spf1 include:gone.example.org include:sendgrid.net -all", ["e:spf-broken-include"]),
        ("v=spf1 include:%{i}._spf.example.org -all", []),
        ("v=spf10 include:sendgrid.net -all", ["e:spf-missing"]),
        ("", ["e:spf-missing"]),
    ],
)
def test_an_spf_record_is_read_as_receivers_read_it(record: str, expected: list[str]) -> None:
    here = {"u1_wl_sendgrid_net": ["v=spf1 -all"], "notsendgrid_net": ["v=spf1 -all"]}
    assert spf_of(record, **here) == expected


def test_two_spf_records_are_as_good_as_none() -> None:
    assert spf_of(["v=spf1 include:sendgrid.net -all", "v=spf1 -all"]) == ["e:spf-several"]


def test_ten_look_ups_are_allowed_and_eleven_are_not() -> None:
    hops = {f"n{at}_example_org": [f"v=spf1 a mx include:n{at + 1}.example.org -all"] for at in range(3)}
    hops["n3_example_org"] = ["v=spf1 ip4:192.0.2.1 -all"]
    assert spf_of("v=spf1 include:sendgrid.net include:n0.example.org -all", **hops) == ["e:spf-too-many-look-ups"]
    assert spf_of("v=spf1 include:n0.example.org -all", **{**hops, "n3_example_org": ["v=spf1 -all"]}) == [
        "e:spf-without-provider"  # ten
    ]
    assert spf_of("v=spf1 include:sendgrid.net include:n1.example.org -all", **hops) == []


def test_a_record_that_includes_itself_comes_to_an_end() -> None:
    assert spf_of("v=spf1 include:example.org -all") == ["e:spf-too-many-look-ups"]
    assert "e:spf-too-many-look-ups" in spf_of("v=spf1 redirect=example.org")


def test_what_an_included_record_lets_in_comes_in() -> None:
    assert spf_of("v=spf1 include:x.org include:sendgrid.net -all", x_org=["v=spf1 +all"]) == ["e:spf-allows-all"]
    assert spf_of("v=spf1 include:x.org include:sendgrid.net -all", x_org=["v=spf1 ?all"]) == []


def test_an_include_nobody_can_tell_about_is_a_warning() -> None:
    assert spf_of("v=spf1 include:x.org -all", x_org=None) == ["w:spf-unknown"]


def test_spf_may_be_missing_where_the_signature_carries_and_not_where_bounces_go() -> None:
    assert domain_with({"example.org": []}) == ["w:spf-missing"]
    assert domain_with({"example.org": ["v=spf1 -all"]}) == ["w:spf-without-provider"]
    assert domain_with({"em1.example.org": []}, return_path="em1.example.org") == ["e:spf-missing"]
    assert domain_with({"em1.example.org": ["v=spf1 include:sendgrid.net -all"]}, return_path="em1.example.org") == []
    bounces = {"bounces.other.net": ["v=spf1 include:sendgrid.net -all"]}
    assert domain_with(bounces, return_path="bounces.other.net") == ["w:spf-not-aligned"]


def test_a_domain_the_provider_runs_the_records_of_needs_no_spf_of_its_own() -> None:
    delegated = {f"{name}._domainkey.example.org": f"{name}.domainkey.u1.wl.sendgrid.net" for name in ("s1", "s2")}
    zone = Zone({**GOOD_DNS, "example.org": ["v=spf1 -all"]}, delegated)
    assert check_domain(MailDomain("example.org"), zone) == []


# --- DKIM ---


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=DKIM1; p=", "is empty"),
        (f"p={GOOD_KEY}; v=DKIM1", "does not begin with v=DKIM1"),
        (f"v=DKIM2; p={GOOD_KEY}", "does not begin with v=DKIM1"),
        ("v=DKIM1; p=not base64!", "cannot be read"),
        ("v=DKIM1; k=ed25519; p=AAAA", "cannot be read"),
        (f"v=DKIM1; k=rot13; p={GOOD_KEY}", "of a kind"),
        (f"v=DKIM1; h=sha1; p={GOOD_KEY}", "SHA-256"),
        (f"v=DKIM1; s=tls; p={GOOD_KEY}", "not for e-mail"),
        ("v=DKIM1; k=rsa", "no DKIM key"),
        ("hello", "no DKIM key"),
    ],
)
def test_a_key_no_signature_can_be_checked_by_is_none(record: str, expected: str) -> None:
    bad = {f"{selector}._domainkey.example.org": [record] for selector in ("s1", "s2")}
    found = check_domain(MailDomain("example.org"), Zone({**GOOD_DNS, **bad}))
    assert codes(found) == ["e:dkim-broken", "e:dkim-broken"]
    assert expected in found[0].message
    # The provider signs with one of two: as long as one works, mail goes out signed.
    assert domain_with({"s1._domainkey.example.org": [record]}) == ["w:dkim-broken"]
    assert domain_with({**bad, "s1._domainkey.example.org": None}) == ["w:dkim-unknown", "w:dkim-broken"]


def test_keys_of_other_kinds_and_lengths() -> None:
    raw = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert domain_with({"s1._domainkey.example.org": [f"v=DKIM1; k=ed25519; p={b64encode(raw).decode()}"]}) == []
    assert domain_with({"s1._domainkey.example.org": [f"v=DKIM1; p={rsa_key(1024)}"]}) == ["w:dkim-short"]
    assert domain_with({"s1._domainkey.example.org": [f"v=DKIM1; t=y:s; p={GOOD_KEY}"]}) == ["w:dkim-testing"]
    spaced = f"{GOOD_KEY[:40]} {GOOD_KEY[40:]}"
    assert domain_with({"s1._domainkey.example.org": [f"v=DKIM1;p= {spaced} ;"]}) == []


def test_one_missing_selector_is_a_warning_and_both_are_an_error() -> None:
    assert domain_with({"s2._domainkey.example.org": []}) == ["w:dkim-selector-missing"]
    assert "e:dkim-missing" in domain_with({f"{name}._domainkey.example.org": [] for name in ("s1", "s2")})


def test_an_alias_to_nowhere_is_told_as_such() -> None:
    gone: dict[str, list[str]] = {f"{name}._domainkey.example.org": [] for name in ("s1", "s2")}
    zone = Zone({**GOOD_DNS, **gone}, dict.fromkeys(gone, "s.domainkey.u1.wl.sendgrid.net"))
    found = check_domain(MailDomain("example.org"), zone)
    assert codes(found) == ["e:dkim-dangling", "e:dkim-dangling"]
    assert "s.domainkey.u1.wl.sendgrid.net" in found[0].message


def test_a_key_of_the_domain_above_counts_unless_dmarc_is_strict() -> None:
    below = MailDomain("news.example.org")
    spf = {"news.example.org": ["v=spf1 include:sendgrid.net -all"]}
    assert codes(check_domain(below, Zone({**GOOD_DNS, **spf}))) == ["w:dkim-of-parent"]
    strict = {"_dmarc.example.org": ["v=DMARC1; p=reject; adkim=s"]}
    assert codes(check_domain(below, Zone({**GOOD_DNS, **spf, **strict}))) == ["e:dkim-not-aligned"]


# --- DMARC ---


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (["v=DMARC1; p=reject"], []),
        (["v=DMARC1;p=QUARANTINE;pct=50;"], []),
        (["v = DMARC1 ; p = none"], []),
        (["p=none; v=DMARC1"], ["e:dmarc-missing"]),
        (["v=dmarc1; p=none"], ["e:dmarc-missing"]),
        (["v=DMARC1"], ["e:dmarc-broken"]),
        (["v=DMARC1; p=maybe"], ["e:dmarc-broken"]),
        (["v=DMARC1; p=none; nonsense"], ["e:dmarc-broken"]),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], ["e:dmarc-broken"]),
        (["v=DMARC1; p=none", "some other text"], []),
        (["v=DMARC1; p=none; pct=lots"], ["w:dmarc-share"]),
        ([], ["e:dmarc-missing"]),
    ],
)
def test_a_dmarc_record_is_read_as_receivers_read_it(records: list[str], expected: list[str]) -> None:
    assert domain_with({"_dmarc.example.org": records}) == expected


def test_the_record_of_the_organisation_holds_for_the_domains_below_it() -> None:
    zone = Zone(GOOD_DNS)
    assert check_dmarc("a.b.example.org", zone).found_at == "example.org"
    assert zone.asked == ["_dmarc.a.b.example.org", "_dmarc.b.example.org", "_dmarc.example.org"]


def test_a_registrys_record_is_not_the_organisations() -> None:
    assert check_dmarc("example.co.uk", Zone({"_dmarc.co.uk": ["v=DMARC1; p=reject; psd=y"]})).found_at is None


def test_a_long_name_does_not_cost_more_than_eight_questions() -> None:
    zone = Zone({})
    check_dmarc(".".join("abcdefghijkl") + ".example.org", zone)
    assert len(zone.asked) == 8
    assert zone.asked[0].startswith("_dmarc.a.b.c.")
    assert zone.asked[-1] == "_dmarc.example.org"


# --- the installation ---


def test_links_must_lead_to_a_public_address() -> None:
    assert check_own_address("https://learn.example.org/") == []
    assert codes(check_own_address("http://learn.example.org")) == ["e:base-url-not-https"]
    for url in ("http://127.0.0.1:8080", "https://localhost", "https://[::1]:9"):
        assert codes(check_own_address(url)) == ["e:base-url-private"]


def test_the_public_key_signs_nothing_real() -> None:
    assert codes(check_link_key(is_public=True)) == ["e:link-key-public"]
    assert check_link_key(is_public=False) == []


def test_a_wave_needs_its_channels_and_its_unsubscribe_group() -> None:
    found = check_channels({Channel.SMS, Channel.EMAIL}, {Channel.EMAIL})
    assert codes(found) == ["e:channel-missing"]
    assert "sms" in found[0].message
    found = check_channels({Channel.SMS}, {Channel.EMAIL}, listed={Channel.SMS, Channel.SLACK, Channel.EMAIL})
    assert codes(found) == ["w:channel-unused", "e:channel-missing"]
    assert check_group("learning", {"learning"}) == []
    (missing,) = check_group("learning", {"safety"})
    assert missing.is_error
    assert "pushpull setup sendgrid" in missing.message


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (MailRecord(accepted=0, bounced=0, delivered=0, complaints=0), []),
        (MailRecord(accepted=10_000, bounced=499, delivered=9_501, complaints=9), []),
        (MailRecord(accepted=10_000, bounced=0, delivered=10_000, complaints=10), ["w:complaints"]),
        (MailRecord(accepted=10_000, bounced=0, delivered=10_000, complaints=29), ["w:complaints"]),
        (MailRecord(accepted=10_000, bounced=0, delivered=10_000, complaints=30), ["e:complaints"]),
        (MailRecord(accepted=1_000, bounced=0, delivered=1_000, complaints=3), ["e:complaints"]),
        (MailRecord(accepted=1_000, bounced=1, delivered=999, complaints=500), ["w:complaints"]),
        (MailRecord(accepted=1_000, bounced=50, delivered=950, complaints=0), ["w:bounces"]),
        (MailRecord(accepted=1_000, bounced=100, delivered=900, complaints=0), ["e:bounces"]),
        (MailRecord(accepted=99, bounced=99, delivered=0, complaints=0), ["w:bounces"]),
    ],
)
def test_complaints_and_bounces_are_judged_by_their_share(record: MailRecord, expected: list[str]) -> None:
    assert codes(check_record(record)) == expected
