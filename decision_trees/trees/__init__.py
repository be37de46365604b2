"""The histogram engine: XGBoost grows a tree on quantised rows, scikit-learn gets it back."""
