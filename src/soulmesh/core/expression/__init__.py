"""Regular expressions for names that strangers chose: whatever both are, looking ends soon.

Python's engine tries one way after another. On a name made for it, or one of three hundred equal
letters, it tries all there are: three ``*`` have millions, a repeated group more than anybody could
wait for. So an expression is read here first (``reading``). One with a few ways is given to Python's
engine; any other one runs on ``machine``, which is in all places of the expression at once and looks at
each letter once. It knows everything that needs no memory of what was before; what it does not know
goes to Python's engine as well, with one ``*`` at most and few steps.
"""

from __future__ import annotations

from soulmesh.core.expression.parts import LONGEST_NAME, MOST_PLACES, BadExpression
from soulmesh.core.expression.search import LONGEST_EXPRESSION, Expression

__all__ = ["LONGEST_EXPRESSION", "LONGEST_NAME", "MOST_PLACES", "BadExpression", "Expression"]
