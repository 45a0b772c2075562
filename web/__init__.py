"""Where learners land and where providers call back."""
