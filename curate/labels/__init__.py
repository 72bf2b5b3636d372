"""Labels in and out: the answers of people come back from a queue or another program, and all
labels go to a file."""

from curate.labels.exporting import export_labels
from curate.labels.importing import ANSWERED, Imported, import_answers, import_table

__all__ = ["ANSWERED", "Imported", "export_labels", "import_answers", "import_table"]
