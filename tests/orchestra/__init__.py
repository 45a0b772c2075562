"""A real Prefect for tests: PostgreSQL, server, workers as processes, stand-in and content of its own.

`stack` starts and kills what runs, `api` asks the server as the UI does, `surroundings` makes the campaign and the
people, `counting` compares what the ledger holds with what arrived at the providers, `fixtures` puts it together.
"""
