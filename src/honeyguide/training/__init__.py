"""The engine of deep models: one loop, row-wise tables, sampling; one small file per backend."""
