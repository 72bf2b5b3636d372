"""Cleanup: policy -> plan -> quarantine -> purge, and back."""
