"""Hyperparameters: their declaration, hyperparameters.json, and what SageMaker wants to know."""
