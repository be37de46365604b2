"""Hyperparameters: their declaration, hyperparameters.json, `train --help` and `train --schema`."""
