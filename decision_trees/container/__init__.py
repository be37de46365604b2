"""The SageMaker contract: keep this package as it is; it names no algorithm."""
