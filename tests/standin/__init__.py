"""A stand-in for every provider, over real HTTP on 127.0.0.1: what it took, it kept; what goes wrong goes wrong on demand."""
