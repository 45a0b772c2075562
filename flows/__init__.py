"""What happens: one file per campaign stage, each reading like the paragraph that describes it."""
