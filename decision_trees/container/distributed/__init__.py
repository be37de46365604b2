"""Distributed training: the hosts of a job, their rendezvous and their collective operations."""
