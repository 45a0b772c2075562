"""Headless Chromium for pictures of the Prefect UI: `chromium` drives it, `screenshots` makes the docs' pictures."""
