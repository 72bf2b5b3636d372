"""The command line: thin commands that read options, call one verb, and print what it returns.

Nothing heavy is imported before a command runs, so that every `--help` answers at once.
"""
