"""A zoo that draws itself: the sample data of curate, seeded and scored."""
