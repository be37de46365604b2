"""A training job: the contract of algorithm.py, and the job that calls it."""
