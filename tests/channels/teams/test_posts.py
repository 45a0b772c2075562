"""Cards in teams' channels, apps installed for people, cards changed after they were sent."""

from __future__ import annotations

import time
from collections.abc import Sequence

import orjson
import pytest

from channels.microsoft import Tokens
from channels.teams.install import AppInstaller, Installation
from channels.teams.posts import ChannelPosts
from channels.teams.updates import CardOutcome, ClosesCards, done_card
from pushpull.ledger.cards import SentCard
from pushpull.ledger.messages import CardBody
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain
from tests.channels.teams.people import CARD, NOW, a_channel, an_account
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.microsoft import BotConnector, Graph

TEAM_CHANNEL = "19:0123456789abcdef@thread.tacv2"
ADA = "0b1f1f1e-0000-4000-8000-00000000000a"


class Watch:
    """A clock on which sleeping takes no time."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ahead += seconds


def channel_posts(standin: StandIn, watch: Watch) -> ChannelPosts:
    account = an_account(standin)
    return ChannelPosts(
        account, clock=lambda: NOW, tokens=Tokens(account, monotonic=watch), monotonic=watch, sleep=watch.sleep
    )


def posted(posts: ChannelPosts, watch: Watch, *keys: str, seconds: float = 10.0) -> Sequence[Outcome]:
    card = CardBody(CARD, "Well done, team")
    return [posts.post(TEAM_CHANNEL, card, key=key, deadline=watch() + seconds) for key in keys]


def test_a_post_appears_in_the_channel_as_a_conversation_of_its_own(standin: StandIn) -> None:
    watch = Watch()
    [outcome] = posted(channel_posts(standin, watch), watch, "recognition-1")
    [message] = standin.provider(BotConnector).taken()
    assert (message.to, message.delivery_id) == (TEAM_CHANNEL, "recognition-1")
    assert orjson.loads(message.content["card"]) == orjson.loads(CARD)
    assert outcome == Accepted(message.provider_id)
    assert standin.violations == []


def test_posts_to_one_channel_are_a_second_apart(standin: StandIn) -> None:
    watch = Watch()
    outcomes = posted(channel_posts(standin, watch), watch, "1", "2", "3")
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert len(watch.slept) == 2
    assert all(0.5 < each <= 1.0 for each in watch.slept)


def test_a_post_whose_turn_comes_too_late_is_not_sent(standin: StandIn) -> None:
    watch = Watch()
    outcomes = posted(channel_posts(standin, watch), watch, "1", "2", seconds=0.9)
    assert outcomes[1] == NotSent("deadline_passed")
    assert len(standin.provider(BotConnector).taken()) == 1


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault.RESET_PROCESSED, Uncertain),
        (Fault.BROKEN_PROCESSED, Uncertain),
        (Fault.THROTTLED_SECONDS, NotSent),
        (Fault.UNAUTHORIZED, Accepted),
        (Fault.GARBAGE_BODY, Accepted),
    ],
)
def test_a_post_that_met_a_fault(standin: StandIn, fault: Fault, outcome: type[Outcome]) -> None:
    watch = Watch()
    standin.fault(fault, provider=BotConnector)
    [found] = posted(channel_posts(standin, watch), watch, "1")
    assert type(found) is outcome


def test_a_channel_without_the_bot_is_out_of_reach(standin: StandIn) -> None:
    watch = Watch()
    standin.provider(BotConnector).refuse(TEAM_CHANNEL, 403, "BotNotInConversationRoster")
    assert posted(channel_posts(standin, watch), watch, "1") == [Rejected("bot_not_installed")]


def test_a_post_goes_to_trusted_services_only_and_is_a_card(standin: StandIn) -> None:
    watch = Watch()
    posts = channel_posts(standin, watch)
    deadline = watch() + 5
    elsewhere = posts.post(
        TEAM_CHANNEL, CardBody(CARD, ""), key="1", deadline=deadline, service_url="https://e.example"
    )
    assert elsewhere == Rejected("untrusted_service")
    assert posts.post(TEAM_CHANNEL, CardBody("[]", ""), key="1", deadline=deadline) == Rejected("invalid_json")
    assert posts.post(TEAM_CHANNEL, CardBody("{", ""), key="1", deadline=deadline) == Rejected("invalid_json")
    assert standin.requests(BotConnector) == []


def installed(standin: StandIn, user: str = ADA, **fields: object) -> Installation:
    account = an_account(standin, **fields)
    installer = AppInstaller(account, tokens=Tokens(account))
    return installer.install(user, deadline=time.monotonic() + 2)


def test_an_app_is_installed_once_however_often_it_is_asked_for(standin: StandIn) -> None:
    assert [installed(standin), installed(standin)] == [Installation.INSTALLED, Installation.THERE_ALREADY]
    assert standin.provider(Graph).installed == {ADA}
    assert standin.violations == []


def test_an_installation_nobody_knows_about_is_tried_again_later(standin: StandIn) -> None:
    standin.fault(Fault.RESET_PROCESSED, provider=Graph)
    assert [installed(standin), installed(standin)] == [Installation.LATER, Installation.THERE_ALREADY]
    standin.fault(Fault.THROTTLED_SECONDS, provider=Graph)
    assert installed(standin) is Installation.LATER


@pytest.mark.parametrize(("status", "message"), [(403, "App is blocked by app permission policy."), (404, "No user.")])
def test_for_whom_an_app_cannot_be_installed(standin: StandIn, status: int, message: str) -> None:
    standin.provider(Graph).refuse(ADA, status, "Forbidden", message)
    assert installed(standin) is Installation.REFUSED


def test_without_permission_or_app_nothing_is_installed_for_anybody(standin: StandIn) -> None:
    standin.provider(Graph).refuse(ADA, 403, "Forbidden", "Missing role permissions on the request.")
    with pytest.raises(ChannelStopped, match="ReadWriteSelfForUser"):
        installed(standin)
    with pytest.raises(ChannelStopped, match="PUSHPULL_TEAMS_APP_ID"):
        installed(standin, teams_app_id="")


def closed(standin: StandIn, **fields: str) -> CardOutcome:
    channel = a_channel(standin)
    assert isinstance(channel, ClosesCards)
    values = {"conversation_id": "a:1", "activity_id": "17", "service_url": standin.url(BotConnector), **fields}
    card = SentCard(1, 0, 1, language="de-AT", **values)
    return channel.close_card(card, deadline=time.monotonic() + 2)


def test_a_card_is_changed_in_its_language_as_often_as_one_likes(standin: StandIn) -> None:
    cards = standin.provider(BotConnector).cards
    cards["a:1", "17"] = {}
    assert [closed(standin), closed(standin, service_url="")] == [CardOutcome.UPDATED] * 2
    assert cards == {("a:1", "17"): done_card("de")}
    assert standin.violations == []


@pytest.mark.parametrize(("status", "code"), [(403, "BotNotInConversationRoster"), (403, "ConversationBlockedByUser")])
def test_a_card_where_the_bot_no_longer_is_is_gone(standin: StandIn, status: int, code: str) -> None:
    standin.provider(BotConnector).refuse("a:1", status, code)
    assert closed(standin) is CardOutcome.GONE


def test_a_card_nobody_knows_is_gone(standin: StandIn) -> None:
    assert closed(standin) is CardOutcome.GONE
    assert closed(standin, service_url="https://evil.example") is CardOutcome.GONE


@pytest.mark.parametrize("fault", [Fault.THROTTLED_SECONDS, Fault.BROKEN_UNPROCESSED, Fault.RESET_PROCESSED])
def test_a_change_that_met_a_fault_is_made_later(standin: StandIn, fault: Fault) -> None:
    standin.provider(BotConnector).cards["a:1", "17"] = {}
    standin.fault(fault, provider=BotConnector)
    assert closed(standin) is CardOutcome.LATER
    assert closed(standin) is CardOutcome.UPDATED


@pytest.mark.parametrize(
    ("language", "written"), [("en", "en"), ("fr-CA", "fr"), ("ES", "es"), ("xx", "en"), ("", "en")]
)
def test_every_language_has_its_thanks(language: str, written: str) -> None:
    assert done_card(language)["lang"] == written
    texts = {str(done_card(each)["fallbackText"]) for each in ("en", "de", "fr", "es")}
    assert len(texts) == 4
