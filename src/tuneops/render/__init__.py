"""What a person or a program sees: values in, text out.

Pure: no terminal, no file, no clock. It may import what lies below it and the standard library; a
screen or a file is somebody else's. Whatever came from outside goes through `inert`.
"""
