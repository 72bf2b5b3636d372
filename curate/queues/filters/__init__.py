"""Filters of queues: what a queue is asked to leave out, and what it shows first."""
