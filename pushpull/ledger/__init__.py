"""The spine: campaigns' waves, one delivery per learner of a wave, one handover per provider request.

Every report, re-run, audit and proof is a query over these tables.
"""
