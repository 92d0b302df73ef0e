"""The web server: one small ASGI application in the same event loop as everything else. Starlette appears only here."""
