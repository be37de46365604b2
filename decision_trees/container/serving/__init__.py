"""The endpoint: nginx, gunicorn and the Flask app, and the process that supervises them."""
