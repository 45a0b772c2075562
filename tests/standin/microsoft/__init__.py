"""Microsoft as its services answer: the login service, the Bot Connector of Teams, Graph."""

from tests.standin.microsoft.bot import BotConnector
from tests.standin.microsoft.graph import Graph
from tests.standin.microsoft.inbound import an_activity, an_installation, signed
from tests.standin.microsoft.login import Login

__all__ = ["BotConnector", "Graph", "Login", "an_activity", "an_installation", "signed"]
