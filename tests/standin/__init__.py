"""A stand-in for every provider, over real HTTP on 127.0.0.1.

What it took, it keeps and can count; what goes wrong, goes wrong on demand.
"""
