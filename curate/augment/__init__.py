"""Augmentation that cannot spoil a label."""
