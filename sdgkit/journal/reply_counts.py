"""How many replies a journal holds, so that they need not all be read to know it."""

from dataclasses import dataclass

INSERT_COUNT = """
    INSERT INTO reply_counts (stage, number, prompt_tokens, completion_tokens)
    VALUES (:stage, :number, :prompt_tokens, :completion_tokens)
    ON CONFLICT (stage) DO UPDATE SET
        number = number + excluded.number,
        prompt_tokens = prompt_tokens + excluded.prompt_tokens,
        completion_tokens = completion_tokens + excluded.completion_tokens
"""

SELECT_COUNTS = "SELECT stage, number, prompt_tokens, completion_tokens FROM reply_counts"

# For a journal written before there were counts. It goes through all replies.
COUNT_REPLIES = """
    SELECT stage, COUNT(*) AS number, COALESCE(SUM(prompt_tokens), 0) AS prompt_tokens,
        COALESCE(SUM(completion_tokens), 0) AS completion_tokens
    FROM replies GROUP BY stage
"""

# The condition does not depend on the reply, so SQLite looks at no reply where it does not hold.
COUNT_ONCE = """
    INSERT INTO reply_counts (stage, number, prompt_tokens, completion_tokens)
    SELECT stage, COUNT(*), COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0)
    FROM replies WHERE NOT EXISTS (SELECT 1 FROM reply_counts) GROUP BY stage
"""


@dataclass
class StageReplies:
    """The replies of one stage.

    Attributes:
        stage: Its name.
        number: How many replies.
        prompt_tokens: Tokens the server read.
        completion_tokens: Tokens the server wrote.
    """

    stage: str
    number: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class NewReplies:
    """The replies that the counts in the journal do not hold yet.

    They are added in the transaction that records the replies, in one statement for all of them.
    """

    def __init__(self) -> None:
        self._stages: dict[str, StageReplies] = {}

    def add(self, stage: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Count a reply that the journal did not have before."""
        counts = self._stages.setdefault(stage, StageReplies(stage))
        counts.number += 1
        counts.prompt_tokens += prompt_tokens
        counts.completion_tokens += completion_tokens

    def take(self) -> list[StageReplies]:
        """What to add to the counts in the journal; afterwards nothing is left to add."""
        stages = list(self._stages.values())
        self._stages = {}
        return stages
