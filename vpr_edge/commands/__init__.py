"""The command line, one file a command: parse, call, print.

`console` prints tables and progress, `options` holds what several commands share.
"""
