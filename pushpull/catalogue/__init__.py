"""What there is to learn: items, their sections, and which of them fit a learner."""
