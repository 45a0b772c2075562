-- The ledger has a database of its own; this one is Prefect's.
CREATE DATABASE prefect;
