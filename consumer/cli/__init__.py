"""The command line. stdout is data, stderr is progress and errors.

Exit codes: 0 ok, 1 failure, 2 usage, 3 partial, 4 preflight, 130 interrupted.
"""
