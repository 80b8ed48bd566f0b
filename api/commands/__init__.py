"""The command line, one module a subject: read the arguments, tell one story, print what came of it."""
