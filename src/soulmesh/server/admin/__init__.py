"""Administration: one list of commands, whichever way they come in.

The command line (over the control socket, or straight on the data folder when
no server runs), private messages to the user ``server``, and the HTTP port all
end here. Users who are no administrators may export and delete their own
account, and nothing else.
"""

from __future__ import annotations

from soulmesh.server.admin.command import Answer, Command, CommandFailed
from soulmesh.server.admin.ways import Admin

__all__ = ["Admin", "Answer", "Command", "CommandFailed"]
