"""Ensembles of scikit-learn's trees, and pipelines with trees, as ONNX."""
