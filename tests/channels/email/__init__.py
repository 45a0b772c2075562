"""E-mail by SendGrid, against a SendGrid that is played."""
