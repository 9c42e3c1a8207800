"""`open()` and the file objects: text over buffered over raw, as in `io`."""
