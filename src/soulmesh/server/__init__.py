"""The server: accounts, presence, rooms, chat, search, the tree; store and bus behind ports.

Needs the ``server`` extra. Begin with :class:`soulmesh.server.app.Server`.
"""
