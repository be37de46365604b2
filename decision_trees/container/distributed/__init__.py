"""Training on several hosts: which hosts there are, how they meet, and what they exchange."""
