"""SendGrid, played.

`provider` answers; `mail` says what a message is and what SendGrid refuses; `logs` finds messages; `events` writes and
signs what SendGrid reports; `settings` keeps unsubscribe groups and webhooks.
"""

from tests.standin.sendgrid.events import SIGNATURE, TIMESTAMP
from tests.standin.sendgrid.mail import Mail
from tests.standin.sendgrid.provider import API_KEY, SendGrid

__all__ = ["API_KEY", "SIGNATURE", "TIMESTAMP", "Mail", "SendGrid"]
