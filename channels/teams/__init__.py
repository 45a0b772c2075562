"""Microsoft Teams: personal messages by our bot, activity-feed notifications where it does not reach, channel posts."""

from channels.teams.adapter import TeamsChannel

__all__ = ["TeamsChannel"]
