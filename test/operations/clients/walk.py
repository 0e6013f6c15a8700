"""A payment, a list, a refund and a timeline by the client that openapi-generator makes."""

import os
import time
import uuid

import openapi_client as malipo


def wait(get):
    """Asks until it has ended."""
    while (it := get()).completed_at is None:
        time.sleep(0.2)
    return it


configuration = malipo.Configuration(
    host=os.environ["MALIPO_URL"], access_token=os.environ["MALIPO_KEY"]
)
with malipo.ApiClient(configuration) as client:
    payments, refunds = malipo.PaymentsApi(client), malipo.RefundsApi(client)
    body = malipo.CreatePaymentRequest(
        provider="mpesa",
        amount=10_000,
        currency="KES",
        customer=malipo.CreatePaymentCustomer(phone=os.environ["MALIPO_PHONE"]),
        metadata={"order": "17"},
    )
    id = payments.create_payment(str(uuid.uuid4()), body).id
    payment = wait(lambda: payments.get_payment(id))
    print("payment", payment.status, payment.amount_text, payment.metadata["order"])

    page = payments.list_payments(status="succeeded")
    print("list", page.object, id in [it.id for it in page.data])

    part = malipo.CreateRefundRequest(amount=4_000)
    refund_id = refunds.create_refund(id, str(uuid.uuid4()), part).id
    refund = wait(lambda: refunds.get_refund(refund_id))
    print("refund", refund.status, refund.amount_text, refund.failure is None)

    timeline = payments.get_payment_timeline(id)
    print("timeline", timeline.data[0].sequence, timeline.data[0].action, timeline.has_more)

    try:
        refunds.create_refund(id, str(uuid.uuid4()), malipo.CreateRefundRequest(amount=9_000))
    except malipo.ApiException as error:
        print("refused", error.status, error.data.code)
