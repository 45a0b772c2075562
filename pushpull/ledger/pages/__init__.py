"""What learners' own pages show of the ledger."""
