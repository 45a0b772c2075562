"""What providers send us: whether it is really theirs, and what it means.

One file per provider, each with three questions: ``verify`` (raw bytes, before anything is parsed), ``split`` (a body
into single events, kept as they came) and ``read`` (an event into the ledger's own words). None raises on hostile
input but :class:`channels.callbacks.verdict.Unreadable`. Routes are in `web`, rows in `pushpull.ledger.inbox`.
"""
