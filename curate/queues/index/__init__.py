"""The index: ten million predictions, with decisions laid over them, that answer at once."""
