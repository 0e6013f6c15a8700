"""A payment by M-Pesa and a part of it back, with Python's own library. See README.md."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("MALIPO_URL", "")
KEY = os.environ.get("MALIPO_KEY", "")
PHONE = os.environ.get("MALIPO_PHONE", "0712345678")
TRIES = 4


class Off(Exception):
    """Something is not as it should be; the text says what."""


def call(method, path, body=None, key=None):
    """Sends a request and returns the answer.

    No answer, and what Malipo calls retryable, are tried again: with the same key that is safe,
    and the only way to learn what happened.
    """
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = key
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/api/v1/{path}", data, headers, method=method)
    why = ""
    for attempt in range(TRIES):
        if attempt > 0:
            time.sleep(2 ** (attempt - 1))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = read_problem(error)
            why = f"{error.code} {problem['code']}: {problem['detail']}"
            if not problem["retryable"]:
                raise Off(f"{method} {path} was answered {why}") from None
        except (OSError, ValueError) as error:
            why = str(error)
    hint = "" if key is None else f"; the same key may be sent again: {key}"
    raise Off(f"{method} {path} was not answered in {TRIES} tries ({why}){hint}")


def read_problem(error):
    """What Malipo says; something between us and Malipo may have answered instead."""
    try:
        problem = json.load(error)
        return {name: problem[name] for name in ("code", "detail", "retryable")}
    except (ValueError, KeyError, TypeError):
        is_retryable = error.code in (429, 502, 503, 504)
        return {"code": "unknown", "detail": error.reason, "retryable": is_retryable}


def settle(what, path):
    """Looks until it no longer goes on by itself, and has succeeded."""
    for _ in range(90):
        seen = call("GET", path)
        if seen["status"] not in ("created", "processing", "pending"):
            break
        time.sleep(1)
    if seen["status"] != "succeeded":
        failure = seen["failure"] or {}
        why = failure.get("message") or failure.get("code") or seen["review_reason"]
        raise Off(f"the {what} is {seen['status']}: {why or 'look again later'}")
    return seen


def walk():
    if KEY == "" or URL == "":
        raise Off("set MALIPO_KEY and MALIPO_URL: run `. .malipo/env` while `npm start` runs")
    # In a shop the key is the order's id: whatever crashes, one order is one payment.
    order = f"order-{uuid.uuid4()}"
    body = {"provider": "mpesa", "amount": 10_000, "currency": "KES", "customer": {"phone": PHONE}}
    payment = call("POST", "payments", body, order)
    print(f"1. Asked {PHONE} for KES 100.00: {payment['id']} is {payment['status']}", flush=True)

    again = call("POST", "payments", body, order)
    if again["id"] != payment["id"]:
        raise Off(f"the same key made another payment, {again['id']}")
    print(f"2. Asked again with the same key: {again['id']}, the same payment", flush=True)

    paid = settle("payment", f"payments/{payment['id']}")
    receipt = paid["provider_receipt"]
    print(f"3. Waited for the payer: {paid['status']}, M-Pesa receipt {receipt}", flush=True)

    part = {"amount": 4_000, "reason": "one item less"}
    asked = call("POST", f"payments/{paid['id']}/refunds", part, f"{order}-less")
    print(f"4. Asked M-Pesa to give back KES 40.00: {asked['id']} is {asked['status']}", flush=True)

    refund = settle("refund", f"refunds/{asked['id']}")
    receipt = refund["provider_receipt"]
    print(f"5. Waited for M-Pesa: {refund['status']}, receipt {receipt}", flush=True)

    left = call("GET", f"payments/{paid['id']}")
    if left["amount_refundable"] != 6_000:
        raise Off(f"{left['amount_refundable']} are left, not 6000")
    print(f"6. Refunded: {left['refund_status']}; KES 60.00 are left", flush=True)


try:
    walk()
except Off as off:
    sys.exit(f"quickstart: {off}")
