"""Small builders of outgoing messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import Body, CardBody, EmailBody, OutgoingMessage, SmsBody
from pushpull.ledger.outcomes import Question

HANDOVER = UUID("11111111-2222-4333-8444-555555555555")

BODIES: dict[Channel, Body] = {
    Channel.EMAIL: EmailBody(
        subject="Two minutes for your first step",
        html="<p>Hello <b>Ada</b></p>\n",
        text="Hello Ada\n",
        sender_name="Learning",
        sender_address="learning@example.org",
        unsubscribe_url="https://learn.example/u/abc",
    ),
    Channel.TEAMS: CardBody(json='{"type":"AdaptiveCard","body":[]}', summary="Two minutes"),
    Channel.SLACK: CardBody(json='{"blocks":[]}', summary="Two minutes"),
    Channel.SMS: SmsBody(text="Two minutes: https://learn.example/l/abc"),
}
ADDRESSES = {
    Channel.EMAIL: "ada@example.org",
    Channel.TEAMS: "29:ada",
    Channel.SLACK: "U0ADA",
    Channel.SMS: "+4915112345678",
}


def a_message(
    channel: Channel = Channel.EMAIL,
    *,
    delivery: str = "5-0-17",
    handover: UUID = HANDOVER,
    to: str | None = None,
    to_name: str = "Ada Lovelace",
    body: Body | None = None,
) -> OutgoingMessage:
    return OutgoingMessage(
        delivery_id=delivery,
        handover_id=handover.hex,
        channel=channel,
        to=ADDRESSES[channel] if to is None else to,
        to_name=to_name,
        family="learning",
        body=body or BODIES[channel],
    )


def a_question(
    handover: UUID,
    *deliveries: str,
    to: str | None = None,
    asked_after: timedelta = timedelta(minutes=20),
    request_id: str | None = None,
    send_at: datetime | None = None,
) -> Question:
    intended_at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    return Question(
        handover_id=handover,
        wave_id=5,
        addresses=dict.fromkeys(deliveries, to),
        intended_at=intended_at,
        asked_at=intended_at + asked_after,
        request_id=request_id,
        send_at=send_at,
    )
