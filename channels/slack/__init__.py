"""Direct messages and channel posts by Slack."""

from channels.slack.channel import SlackChannel
from channels.slack.workspace import check, find_by_email

__all__ = ["SlackChannel", "check", "find_by_email"]
