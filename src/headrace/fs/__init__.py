"""The file system: `os`, `os.path` and `tempfile`, asynchronous.

Built on files and the engine. The public doors are `headrace.os`,
`headrace.ospath` and `headrace.tempfile`; what is here may move.
"""
