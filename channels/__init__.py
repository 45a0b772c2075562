"""How a learner is reached: one file per provider, all behind the small interface of :mod:`channels.base`."""
