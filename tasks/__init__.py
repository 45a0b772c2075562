"""The steps of a flow, as ops see them: thin Prefect tasks around the domain."""
