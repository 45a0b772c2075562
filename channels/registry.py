"""Which adapter carries which channel. A new channel is one file beside this one and one line in here.

Providers' SDKs are imported only where their channel is in use: a process of the sandbox loads none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from channels.accounts import Accounts
from channels.base import ChannelAdapter
from channels.not_set_up import NotSetUp
from channels.sandbox import SandboxChannel
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.links import LinkSigner
from pushpull.settings import Settings


class NoAccount(ValueError):
    """A channel is to speak to its provider, and there is no account.

    Args:
        channel: which one.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(
            f"PUSHPULL_CHANNELS lists {channel}, whose credentials are neither in PUSHPULL_ variables nor in a Prefect "
            "block; see docs/channels.md"
        )


def adapters(
    settings: Settings,
    *,
    clock: Callable[[], datetime] | None = None,
    accounts: Accounts | None = None,
    links: LinkSigner | None = None,
) -> Mapping[Channel, ChannelAdapter]:
    """The adapters of this installation, one per channel.

    Args:
        clock: the present, UTC: real providers' answers are compared with it. In the sandbox it gives e-mails their
            Date, for replays in another time than today's; None leaves the header out.
        accounts: at the real providers; not needed in the sandbox.
        links: reads the delivery off a link in a text message, which is all a look-up of one has.

    Raises:
        NoAccount: a listed channel has no account.
        TypeError: real providers need a clock.
    """
    if settings.is_sandbox:
        return {channel: SandboxChannel(channel, settings.outbox_dir, clock=clock) for channel in Channel}
    if clock is None:
        raise TypeError("real channels need a clock")
    return {channel: _real(channel, settings, accounts or Accounts(), clock, links) for channel in Channel}


def _real(
    channel: Channel, settings: Settings, accounts: Accounts, clock: Callable[[], datetime], links: LinkSigner | None
) -> ChannelAdapter:
    if channel not in settings.real_channels:
        return NotSetUp(channel)
    match channel:
        case Channel.EMAIL if accounts.sendgrid:
            from channels.email import SendGridChannel

            return SendGridChannel(accounts.sendgrid, clock=clock)
        case Channel.TEAMS if accounts.microsoft:
            from channels.teams import TeamsChannel

            return TeamsChannel(accounts.microsoft, clock=clock)
        case Channel.SMS if accounts.twilio:
            from channels.sms import SmsChannel
            from channels.sms.evidence import by_links

            return SmsChannel(accounts.twilio, clock=clock, delivery_of=by_links(links) if links else None)
        case Channel.SLACK if accounts.slack:
            from channels.slack import SlackChannel

            return SlackChannel(accounts.slack, clock=clock)
    raise NoAccount(channel)
