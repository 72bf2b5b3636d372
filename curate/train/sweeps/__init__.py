"""Many short trainings, to learn which settings suit: a plan becomes trials, and trials a table."""
