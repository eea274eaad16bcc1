"""The fault catalogue by id: a few words for each row, as they stand in ``docs/faults.md``."""

_ROWS = """
A1 sign-up answers 429, the pool has accounts
A2 sign-up answers 429, the pool is empty
A3 sign-up answers 500, an HTML 502, or 504
A4 sign-up hangs
A5 sign-up answers 200 without a usable session
A6 sign-up wants a captcha
A7 sign-up is switched off
A8 the anon key is refused
A9 expires_in is zero, negative, a string, huge
A10 our own sign-up budget is used up
A11 1,000 requests at a cold start
A12 a token expires while idle
A13 a token expires in mid-run
A14 a refresh token is known no more
A15 the answer to a refresh is lost
A16 two refresh the same credential
A17 refresh answers 429 or 5xx
A18 the account is banned or deleted
A19 our clock is wrong or jumps
A20 the credential store is corrupt
A21 a worker dies holding leases
B1 start answers 401
B2 start answers 401 again, or 403
B3 start answers 402, the project is restricted
B4 start answers that a quota is used up
B5 start answers 429
B6 start answers 400 or 422
B7 start answers 404
B8 start answers 500 or 502
B9 start answers 503
B10 start answers 504, or not in time
B11 start answers 200 with nonsense
B12 start answers 200 with several jobs
B13 start answers with a redirect
B14 TLS error, DNS failure, refused connection
B15 the answer to the start drips
C1 the socket cannot be connected
C2 the handshake is slow
C3 CONNECT_ERROR
C4 CONNECT is never answered
C5 socket dropped before the first chunk
C6 socket dropped in mid-run
C7 socket dropped behind the last chunk
C8 namespace disconnect by the server
C9 planned cut at the platform's limit
C10 no pings, a dead network
C11 chunks before the start's answer
C12 chunks of an unknown or ended job
C13 shorter text later
C14 rewritten text
C15 a chunk twice
C16 deltas in place of cumulative text
C17 payloads of other types
C18 extra arguments, or none
C19 binary events
C20 huge chunks
C21 surrogates, NUL, U+2028, line ends in the text
C22 completed without content
C23 events behind the end
C24 a failed run
C25 an unknown status
C26 silence without end
C27 output without end
C28 somebody else's job on our socket
C29 frames too large, garbled, or no UTF-8
C30 pings missing while data flows
D1 the caller leaves while queued
D2 the caller leaves before the first chunk
D3 the caller leaves in mid-stream
D4 the caller stops reading
D5 the caller is half open
D6 a slow body, or a length too large
D7 slow headers
D8 a worker is killed in mid-stream
D9 SIGTERM, a stream shorter than the grace
D10 SIGTERM, a stream longer than the grace
D11 a second SIGTERM
D12 a worker is blocked
D13 connections run out
D14 Redis refuses
D15 Redis hangs
D16 Redis comes back empty
D17 the disk is full or read-only
D18 the upstream's address changes
D19 the log's sink is blocked
D20 a reload with a bad value
E1 no JSON, an empty body, no UTF-8
E2 JSON that is no object
E3 very deep nesting
E4 an integer of 5,000 digits
E5 NaN, Infinity, 1e999
E6 duplicate keys
E7 lone surrogates in the request
E8 UTF-16, UTF-32, or a BOM
E9 fields of wrong types
E10 a wrong Content-Type, or none
E11 a body of 50 MB
E12 chunked and compressed bodies
E13 a bad chunk size
E14 contradictory lengths
E15 too large or too many headers
E16 a very long request line
E17 malformed requests
E18 no Host
E19 headers with underscores
E20 SCRIPT_NAME from outside
E21 double slashes, absolute URIs
E22 encoded dots, slashes, NUL in the path
E23 line ends in a reflected value
E24 other methods
E25 Expect: 100-continue
E26 pipelining
E27 TLS on the plain port, random bytes
E28 missing, malformed and wrong keys
E29 a key that is not ASCII
E30 a key in the query
E31 an unknown or hostile model
E32 image_url that points elsewhere
E33 prompts that inject, long lines, odd scripts
E34 CORS preflight from a stranger
E35 log injection
E36 1,000 wrong keys a second
"""

ROWS: dict[str, str] = dict(line.split(" ", 1) for line in _ROWS.split("\n") if line)
"""Title by id, in the catalogue's order."""
