"""Yields: what a queue should bring, what it brought, and how to spend a budget."""
