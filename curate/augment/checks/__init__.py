"""The parts of `curate augment check`; `curate.augment.check` puts them together."""
