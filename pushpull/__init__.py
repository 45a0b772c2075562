"""The domain of Pushpull: learners, catalogue, ledger, insights, importers.

Plain Python and SQL. Nothing here imports an orchestrator, a provider's SDK or a template engine, and nothing
here reads the clock: time arrives as an argument.
"""
