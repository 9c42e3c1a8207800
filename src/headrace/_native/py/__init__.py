"""The Python twins of the C core: same names, same behaviour (PEP 399)."""
