"""What learning systems tell by web hooks: ``receiving`` takes it in, ``maps`` says what it means, one YAML file each.

A map is a preset (:mod:`pushpull.importers.presets`) whose columns are the places in a JSON object: ``user.email``.
"""
