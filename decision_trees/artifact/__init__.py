"""What lies in /opt/ml/model: export.py writes it, model.py loads it and predicts."""
