"""The zoo that the demo and the tests use."""
