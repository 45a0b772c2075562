"""E-mail by SendGrid: requests as bytes, answers as outcomes, look-ups, the official client over a wire, setting up."""

from channels.email.adapter import SendGridChannel

__all__ = ["SendGridChannel"]
