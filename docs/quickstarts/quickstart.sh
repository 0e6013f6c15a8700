#!/usr/bin/env bash
# A payment by M-Pesa and a part of it back, with curl. See README.md beside this file.
set -euo pipefail

url=${MALIPO_URL:-}
phone=${MALIPO_PHONE:-0712345678}
# In a shop the key is the order's id: whatever crashes, one order is one payment.
order="order-$(date +%s)-$$-$RANDOM"

fail() {
  echo "quickstart: $1" >&2
  exit 1
}
[ -n "$url" ] && [ -n "${MALIPO_KEY:-}" ] ||
  fail 'set MALIPO_KEY and MALIPO_URL: run `. .malipo/env` while `npm start` runs'

# call METHOD PATH [KEY BODY] sends a request and prints the answer. No answer, and 429 or 5xx, are
# tried again: with the same key that is safe, and the only way to learn what happened.
call() {
  local answer status try
  local -a args=(-sS --max-time 30 -w '\n%{http_code}' -X "$1"
    -H "Authorization: Bearer $MALIPO_KEY" -H 'Content-Type: application/json')
  [ $# -lt 4 ] || args+=(-H "Idempotency-Key: $3" -d "$4")
  for try in 1 2 3 4; do
    [ "$try" = 1 ] || sleep "$((1 << (try - 2)))"
    answer=$(curl "${args[@]}" "$url/api/v1/$2") || continue
    status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    case $status in
      2??) echo "$answer" && return ;;
      429 | 5??) continue ;;
      *) fail "$1 $2 was answered $status $(field code "$answer"): $(field detail "$answer")" ;;
    esac
  done
  fail "$1 $2 was not answered in four tries${3:+; the same key may be sent again: $3}"
}

# field NAME JSON prints the text of a field; its names are unique in what is asked for here.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$2"; }
# id PREFIX JSON prints the id that begins so.
id() { sed -n "s/.*\"id\":\"\($1_[0-9a-f]*\)\".*/\1/p" <<<"$2"; }
# settle PATH prints the answer once it no longer goes on by itself.
settle() {
  local answer try
  for try in $(seq 90); do
    answer=$(call GET "$1") || exit 1
    case $(field status "$answer") in
      created | processing | pending) sleep 1 ;;
      *) break ;;
    esac
  done
  echo "$answer"
}
# succeeded WHAT JSON ends the script unless it says so.
succeeded() {
  local status
  status=$(field status "$2")
  [ "$status" = succeeded ] || fail "the $1 is $status: $(field code "$2")"
}

body='{"provider":"mpesa","amount":10000,"currency":"KES","customer":{"phone":"'$phone'"}}'
payment=$(call POST payments "$order" "$body")
payment_id=$(id pay "$payment")
echo "1. Asked $phone for KES 100.00: $payment_id is $(field status "$payment")"

again=$(call POST payments "$order" "$body")
again=$(id pay "$again")
[ "$again" = "$payment_id" ] || fail "the same key made another payment, $again"
echo "2. Asked again with the same key: $again, the same payment"

payment=$(settle "payments/$payment_id")
succeeded payment "$payment"
echo "3. Waited for the payer: succeeded, M-Pesa receipt $(field provider_receipt "$payment")"

part='{"amount":4000,"reason":"one item less"}'
refund=$(call POST "payments/$payment_id/refunds" "$order-less" "$part")
refund_id=$(id ref "$refund")
echo "4. Asked M-Pesa to give back KES 40.00: $refund_id is $(field status "$refund")"

refund=$(settle "refunds/$refund_id")
succeeded refund "$refund"
echo "5. Waited for M-Pesa: succeeded, receipt $(field provider_receipt "$refund")"

payment=$(call GET "payments/$payment_id")
case $payment in
  *'"amount_refundable":6000,'*) ;;
  *) fail "KES 60.00 should be left: $payment" ;;
esac
echo "6. Refunded: $(field refund_status "$payment"); KES 60.00 are left"
