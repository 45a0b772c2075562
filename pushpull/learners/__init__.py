"""People who learn: who they are, what they allowed, what they did, where they stand."""
