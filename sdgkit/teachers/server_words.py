"""What servers say in the messages and codes of their errors, in any vendor's words.

A status alone does not tell an empty account from a bad request, a withheld reply from a refused
key, or a provider's bad moment from a mistake in the request: the words do. These are the tables of
them.
"""

import re
from collections.abc import Iterable

# "Your credit balance is too low" (Anthropic, 400), "Insufficient Balance" (DeepSeek, 402),
# "exceeded your monthly included credits" (Hugging Face), "reached its monthly spending limit"
# (xAI, Fireworks), "balance is insufficient" (SiliconFlow, 403), "make sure your account is in
# good standing" (DashScope, 400, with the code Arrearage), "余额不足" (Zhipu, 429).
_NO_CREDIT_WORDS = re.compile(
    r"(?i)\bcredit balance\b|\bcredit[_ -]limit\b|\bout of (?:credits?|funds|quota)\b"
    r"|\b(?:no|zero) (?:more )?(?:available |remaining )?(?:credits?|funds|balance)\b"
    r"(?! (?:were|was|will))"
    r"|\b(?:do|does|have|has)(?: no|n't| not) (?:have |got )?(?:any |enough |sufficient )?"
    r"(?:credits?|funds|balance)\b"
    r"|\b(?:not enough|insufficient|low)[ _-](?:account[ _-])?(?:credits?|funds|balance|quota)\b"
    r"|\b(?:balance|funds|credits?|quota)(?: \w+){0,3} (?:insufficient|not enough|not sufficient"
    r"|too low|exhausted|depleted|expired|used up|run out)\b"
    r"|\bused (?:up )?(?:all|up) (?:\w+ ){0,3}credits?\b"
    r"|\b(?:monthly |prepaid |free |included |trial )+(?:credits?|allowance)\b"
    r"|\bspending[ _-](?:limit|cap)\b|\bbilling[ _-](?:hard[ _-])?limit\b"
    r"|\bbudget (?:has been )?exceeded\b"
    r"|\b(?:add|purchase|buy) (?:more |additional )?(?:credits?|funds)\b"
    r"|\b(?:top[ -]?up|recharge)\b[^.]{0,40}\b(?:account|balance|credits?|wallet)\b"
    r"|\bpayment (?:is )?required\b|\b(?:unpaid|past|overdue) invoices?\b"
    r"|\baccount (?:is )?overdue\b"
    r"|\baccount is in good standing\b|\bcheck your billing\b(?! details\. For more)|\barrear"
    r"|\binactive subscription\b"
    r"|余额不足|欠费|请充值|额度不足"
)
_NO_CREDIT_CODES = re.compile(
    r"(?i)insufficient_?(?:user_?)?(?:quota|balance|credits?|funds)|exceeded_current_quota\w*|billing\w*"
    r"|payment_?required|arrear\w*|\w*overdue\w*|out_of_credits?|credits?_?(?:exhausted|depleted)"
    r"|budget_?exceeded|quota_?exhausted|1113"
)
# Rate limits speak of quotas, too: "quota exceeded, please retry in 23 s" passes by itself.
_RETRY_SOON = re.compile(
    r"(?i)\b(?:retry|try again) (?:in|after) [\d.]+ ?m?s|\bper (?:second|minute)"
)

_WITHHELD_WORDS = re.compile(
    r"(?i)content (?:management )?polic|\busage (?:polic|guideline)"
    r"|\bsafety (?:system|filter|settings)"
    r"|\bflagged\b|\bmoderat(?:ion|ed)\b|prohibited content|inappropriate content"
    r"|\bcontent[ _]filter|sensitive (?:content|information)|不安全|敏感|违规"
)

# Of a status that blames the request, although the server's own parts are at fault.
_PASSING_WORDS = re.compile(
    r"(?i)\bupstream\b|provider returned error|\btimed? ?out\b|\btemporar(?:y|ily)\b"
    r"|\bmodel (?:is )?(?:still )?(?:loading|unloaded)|\boverloaded\b|\bat capacity\b"
    r"|\btry again (?:later|in|soon|shortly)|\bplease (?:try again|retry)\b"
)
_OF_THE_REQUEST = re.compile(r"(?i)\bcontext\b|\btokens?\b|\btoo long\b|\bshorte[nr]|\bmodify\b")


def tells_no_credit(message: str, codes: Iterable[object] = ()) -> bool:
    """Whether an error says that the account has nothing left to pay with.

    Args:
        message: The error's message.
        codes: Its code and type.

    Example:
        >>> tells_no_credit("Your credit balance is too low to access the API.")
        True
        >>> tells_no_credit("Rate limit reached, please try again in 2s")
        False
    """
    for code in codes:
        if isinstance(code, str) and _NO_CREDIT_CODES.fullmatch(code):
            return True
    return bool(_NO_CREDIT_WORDS.search(message)) and not _RETRY_SOON.search(message)


def tells_withheld(message: str) -> bool:
    """Whether an error says that a filter withheld the reply or refused the prompt.

    Example:
        >>> tells_withheld("Your input was flagged by our moderation.")
        True
    """
    return _WITHHELD_WORDS.search(message) is not None


def tells_passing_trouble(message: str) -> bool:
    """Whether an error that blames the request was the server's own bad moment.

    Example:
        >>> tells_passing_trouble("Provider returned error: upstream timed out")
        True
        >>> tells_passing_trouble("Too many tokens. Shorten the prompt and try again later.")
        False
    """
    is_passing = _PASSING_WORDS.search(message) is not None
    return is_passing and _OF_THE_REQUEST.search(message) is None
