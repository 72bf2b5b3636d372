"""Reading and writing the formats of other tools, one file each."""
