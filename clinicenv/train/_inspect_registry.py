"""What Inspect AI finds under `clinicenv/` through the entry point of this distribution."""

from clinicenv.train.inspect_task import consultation, marks

__all__ = ["consultation", "marks"]
