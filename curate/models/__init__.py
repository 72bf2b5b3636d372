"""Models: the checkpoint, the architecture, what an image goes through before it, its scores.

`preprocess`, `scores` and `recipe` load neither torch nor pandas: decode workers import them.
"""
