"""What we say: campaigns, brands, trends, messages, and the code that reads, lints and renders them."""
