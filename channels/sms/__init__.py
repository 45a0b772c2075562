"""Text messages by Twilio."""

from channels.sms.channel import SmsChannel
from channels.sms.checks import check

__all__ = ["SmsChannel", "check"]
