"""The finders: each looks at one kind of result and says what it found. One list, so that nothing is looked at twice.

A finder reads and returns; it stores nothing. Results of other packages come in through small adapters here, which
import them late: most need libraries that a worker should not carry.
"""
