"""Access, proven from outside: real tokens, real HTTP, the application as it is served (R40)."""
