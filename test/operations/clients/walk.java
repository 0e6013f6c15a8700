import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.PaymentsApi;
import org.openapitools.client.api.RefundsApi;
import org.openapitools.client.model.AuditEntry;
import org.openapitools.client.model.AuditEntryList;
import org.openapitools.client.model.CreatePaymentCustomer;
import org.openapitools.client.model.CreatePaymentRequest;
import org.openapitools.client.model.CreateRefundRequest;
import org.openapitools.client.model.Payment;
import org.openapitools.client.model.PaymentList;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.Refund;

/** A payment, a list, a refund and a timeline by the client that openapi-generator makes. */
class Walk {
  public static void main(String[] args) throws Exception {
    ApiClient client = new ApiClient();
    client.setBasePath(System.getenv("MALIPO_URL"));
    client.setBearerToken(System.getenv("MALIPO_KEY"));
    PaymentsApi payments = new PaymentsApi(client);
    RefundsApi refunds = new RefundsApi(client);

    CreatePaymentRequest body = new CreatePaymentRequest()
        .provider(CreatePaymentRequest.ProviderEnum.MPESA)
        .amount(10_000L)
        .currency(CreatePaymentRequest.CurrencyEnum.KES)
        .customer(new CreatePaymentCustomer().phone(System.getenv("MALIPO_PHONE")))
        .metadata(Map.of("order", "17"));
    String id = payments.createPayment(newKey(), body, null).getId();
    Payment payment = await(() -> payments.getPayment(id), it -> it.getCompletedAt() != null);
    say("payment", payment.getStatus(), payment.getAmountText(), payment.getMetadata().get("order"));

    PaymentList page = payments.listPayments(null, null, "succeeded", null, null, null, null, null);
    say("list", page.getObject(), page.getData().stream().anyMatch(it -> it.getId().equals(id)));

    CreateRefundRequest part = new CreateRefundRequest().amount(4_000L);
    String refundId = refunds.createRefund(id, newKey(), part, null).getId();
    Refund refund = await(() -> refunds.getRefund(refundId), it -> it.getCompletedAt() != null);
    say("refund", refund.getStatus(), refund.getAmountText(), refund.getFailure() == null);

    AuditEntryList timeline = payments.getPaymentTimeline(id);
    AuditEntry first = timeline.getData().get(0);
    say("timeline", first.getSequence(), first.getAction(), timeline.getHasMore());

    try {
      refunds.createRefund(id, newKey(), new CreateRefundRequest().amount(9_000L), null);
    } catch (ApiException error) {
      say("refused", error.getCode(), Problem.fromJson(error.getResponseBody()).getCode());
    }
    client.getHttpClient().dispatcher().executorService().shutdown();
    client.getHttpClient().connectionPool().evictAll();
  }

  private static String newKey() {
    return UUID.randomUUID().toString();
  }

  private static <T> T await(Callable<T> get, Predicate<T> hasEnded) throws Exception {
    T it = get.call();
    while (!hasEnded.test(it)) {
      Thread.sleep(200);
      it = get.call();
    }
    return it;
  }

  private static void say(Object... words) {
    StringBuilder line = new StringBuilder();
    for (Object word : words) line.append(line.length() == 0 ? "" : " ").append(word);
    System.out.println(line);
  }
}
