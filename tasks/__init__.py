"""The steps of a flow, as ops see them in the Prefect UI: thin Prefect tasks around the domain.

A task takes and returns opaque ids and counts, never anything about a person; it is safe to run any number of times.
"""
