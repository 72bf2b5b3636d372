"""What a training is told in a word: how it steps, how fast, what it mixes, how it balances."""
