"""How it runs: what people deploy."""
