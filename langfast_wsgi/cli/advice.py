"""What to do about each kind of fault that ``doctor`` may meet, in one table.

A row's key is a fault's class where the class alone says enough, else its code word; the doctor's
own findings have code words too.
"""

from collections.abc import Mapping

from langfast_wsgi.errors import (
    BadRequest,
    GatewayError,
    SessionRefused,
    StartRefused,
    UpstreamGarbled,
)
from langfast_wsgi.providers.langfast.accounts import CredentialGone

_WAIT = "Wait and look again"
_RUNNER = "ask whoever runs the upstream to look at its log"

ADVICE: Mapping[str | type[GatewayError], str] = {
    # This machine
    "settings": "Mend the environment or .env; docs/configuration.md has every setting.",
    "open_to_all": "Set API_MASTER_KEY, or HOST=127.0.0.1, or ALLOW_OPEN_ACCESS=1 if it is meant.",
    "emulator_to_all": "Configure an upstream (SUPABASE_URL, …), or set EMULATOR=1 if it is meant.",
    "versions": "Install what was tested together: pip install --require-hashes -r requirements.txt"
    " in a checkout.",
    "no_tokenizer": "pip install rs-bpe, or usage is only estimated.",
    "emulator_failed": "Run `langfast emulate` and read what it says.",
    # The way to the upstream
    "no_name": "Check the host's name in SUPABASE_URL and SOCKET_URL, and this machine's DNS.",
    "refused": "Check host and port in SUPABASE_URL and SOCKET_URL, and that the upstream runs.",
    "timeout": "Check that a firewall lets this machine out to that host and port.",
    "certificate": "Point SSL_CERT_FILE at your authority's certificates, or mend the upstream's.",
    "tls": "Check whether that address is meant to be http:// instead of https://.",
    "no_http": "Check host and port in SUPABASE_URL and SOCKET_URL: something else listens there.",
    "cut": "Check what stands in between (a proxy, a firewall) and whether the upstream is up.",
    "upstream_unavailable": "Check SUPABASE_URL and SOCKET_URL, and that the upstream is up"
    " (a paused project answers nobody).",
    "upstream_timeout": "The upstream is slow or hangs: try again, look at its status page, or"
    " raise CONNECT_TIMEOUT, SIGNUP_TIMEOUT, START_TIMEOUT or RUN_IDLE_TIMEOUT.",
    # Accounts
    "upstream_misconfigured": "Check SUPABASE_URL and SUPABASE_ANON_KEY (of the same project), and"
    " UPSTREAM_EMAIL and UPSTREAM_PASSWORD if they are set.",
    "upstream_captcha_required": "Sign-ups want a captcha, which this gateway never solves: use an"
    " account of your own, by UPSTREAM_EMAIL and UPSTREAM_PASSWORD.",
    "upstream_signup_disabled": "Turn anonymous sign-ins on in the upstream's auth settings, or use"
    " an account of your own, by UPSTREAM_EMAIL and UPSTREAM_PASSWORD.",
    "upstream_signup_refused": f"The auth service itself fails: try again, or {_RUNNER}.",
    "over_budget": "SIGNUPS_PER_HOUR are used up: wait, or raise it within what the upstream"
    " allows.",
    "budget_unknown": "Check REDIS_URL and that Redis runs; without it nobody signs up.",
    CredentialGone: "Sign in anew and put the new token into UPSTREAM_REFRESH_TOKEN, or use"
    " UPSTREAM_EMAIL and UPSTREAM_PASSWORD.",
    "rate_limit_exceeded": f"{_WAIT} in two minutes or more; all who share this machine's address"
    " share the limit. Keep MIN_CREDENTIALS low.",
    "insufficient_quota": "The account's quota is used up: wait for its renewal or have it raised;"
    " more accounts are no way around it.",
    # Socket and run
    SessionRefused: "Check that SOCKET_URL belongs to the same upstream as SUPABASE_URL.",
    StartRefused: f"The upstream does not start runs: try again, or {_RUNNER}.",
    "upstream_auth_error": "Check that SUPABASE_URL, SUPABASE_ANON_KEY and SOCKET_URL belong to the"
    " same upstream.",
    "upstream_forbidden": "The account may not run this prompt: check PROMPT_ID and the account's"
    " rights.",
    BadRequest: "Check PROMPT_ID, and that the upstream knows DEFAULT_MODEL.",
    "upstream_error": f"Try again; if it stays, {_RUNNER}.",
    "upstream_disconnected": "Check whether a proxy or firewall in between cuts WebSockets.",
    "upstream_run_failed": "Check DEFAULT_MODEL, and the prompt behind PROMPT_ID.",
    UpstreamGarbled: "Check that SUPABASE_URL and SOCKET_URL lead to a prompt runner of the kind"
    " in docs/upstream.md, not to a web page.",
    "upstream_bad_response": "Check that SUPABASE_URL and SOCKET_URL lead to a prompt runner.",
    "upstream_inconsistent": f"The upstream takes back text that it sent: {_RUNNER}.",
    # The gateway
    "no_gateway": "Start it with `langfast serve`, or give its address with --url.",
    "no_answer": "Check --url, and that what listens there is this gateway.",
    "not_ready": f"{_WAIT} in a moment; if it stays, read the gateway's log.",
    "no_credentials_available": "No account is ready: see sign-in and socket above, and the"
    " gateway's log.",
    "too_many_runs": f"All places are taken: {_WAIT.lower()}, or raise MAX_CREDENTIALS,"
    " RUNS_PER_CREDENTIAL or MAX_RUNS.",
    "store_unavailable": "Check REDIS_URL and that Redis runs, or that the disk is not full: kept"
    " responses cannot be read.",
    "context_length_exceeded": "Send less, or ask a model with a longer context.",
    "content_filter": "The upstream's content filter refuses the prompt: say it otherwise.",
    "shutting_down": f"The gateway is about to end: {_WAIT.lower()} when it is back.",
    "invalid_api_key": "Run this with the gateway's own API_MASTER_KEY.",
    "model_not_found": "Put a model that the gateway lists into DEFAULT_MODEL.",
    "internal_error": "Read the gateway's log: the fault is written there.",
}

UNKNOWN = "Run `langfast doctor --verbose` and read what it logs."


def about(fault: GatewayError) -> str:
    """What to do about a fault."""
    special = fault.code if fault.code != fault.default_code else None
    for key in (special, type(fault), fault.code):
        if key is not None and key in ADVICE:
            return ADVICE[key]
    return UNKNOWN


def by_code(code: str | None) -> str:
    """What to do about a fault of which only the code word is known."""
    return ADVICE.get(code or "", UNKNOWN)
