"""One history of migrations for both engines."""
