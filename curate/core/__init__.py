"""What everything else stands on: errors, records, chance, paths, the one opener of pixels."""
