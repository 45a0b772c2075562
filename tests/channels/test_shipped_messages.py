"""Every message we ship, for ordinary and extreme learners, as Twilio and Slack get it: none is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from content.campaign import load_campaign
from content.message import load_message, message_keys
from content.render import Renderer
from content.samples import EXTREMES, ORDINARY
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import Body
from pushpull.ledger.outcomes import Accepted
from pushpull.settings import Settings
from tests.channels.letters import a_message
from tests.channels.slack import senders as slack
from tests.channels.sms import senders as sms
from tests.standin.engine import StandIn

CONTENT: Path = Settings.model_fields["content_dir"].default


def written(channel: Channel) -> Iterator[Body]:
    """All that can be said on a channel, once per message, variant and kind of learner, in two languages."""
    renderer = Renderer(CONTENT, load_campaign("two-minutes-a-day", CONTENT))
    for key in message_keys(CONTENT):
        message = load_message(key, CONTENT)
        if channel not in message.file.channels:
            continue
        for language in ("en", "de"):
            for variant in ("standard", *message.languages[language].variants):
                for facts in (ORDINARY, *EXTREMES.values()):
                    yield renderer.render(key, channel, language, variant, facts, trend="ai-at-work")


def test_twilio_takes_every_text_message(standin: StandIn) -> None:
    texts = [replace(a_message(Channel.SMS), body=body) for body in written(Channel.SMS)]
    outcomes = sms.sent(sms.a_channel(standin), *texts, seconds=60)
    assert texts
    assert {type(outcome) for outcome in outcomes} == {Accepted}
    assert not standin.violations


def test_slack_takes_every_card(standin: StandIn) -> None:
    cards = [replace(a_message(Channel.SLACK), body=body) for body in written(Channel.SLACK)]
    outcomes = slack.sent(slack.a_channel(standin), *cards, seconds=60)
    assert cards
    refused = {str(outcome) for outcome in outcomes if not isinstance(outcome, Accepted)}
    assert not refused
    assert not standin.violations
