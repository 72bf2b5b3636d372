"""The images of a training, as the model gets them: read, shrunk, changed, in batches."""
