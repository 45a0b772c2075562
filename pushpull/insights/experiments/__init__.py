"""Experiments on a wave (mission D4): what they ask, what they say, and how lots are drawn.

`plan` is what a campaign file says of one, `tally` asks the ledger, `compare` reckons, `look` says what it comes to,
`lots` weighs the variants of the next wave, `channels` the channels that are tried first.
"""
