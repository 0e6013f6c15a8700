// A payment, a list, a refund and a timeline by the client that openapi-generator makes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	malipo "github.com/GIT_USER_ID/GIT_REPO_ID"
)

func must[T any](it T, _ any, err error) T {
	if err != nil {
		panic(err)
	}
	return it
}

func newKey() string {
	return fmt.Sprintf("go-%d", time.Now().UnixNano())
}

func main() {
	configuration := malipo.NewConfiguration()
	configuration.Servers = malipo.ServerConfigurations{{URL: os.Getenv("MALIPO_URL")}}
	client := malipo.NewAPIClient(configuration)
	ctx := context.WithValue(context.Background(), malipo.ContextAccessToken, os.Getenv("MALIPO_KEY"))

	body := *malipo.NewCreatePaymentRequest("mpesa", 10_000, "KES")
	body.SetCustomer(malipo.CreatePaymentCustomer{Phone: malipo.PtrString(os.Getenv("MALIPO_PHONE"))})
	body.SetMetadata(map[string]string{"order": "17"})
	payment := must(client.PaymentsAPI.CreatePayment(ctx).IdempotencyKey(newKey()).CreatePaymentRequest(body).Execute())
	for !payment.CompletedAt.IsSet() || payment.CompletedAt.Get() == nil {
		time.Sleep(200 * time.Millisecond)
		payment = must(client.PaymentsAPI.GetPayment(ctx, payment.Id).Execute())
	}
	fmt.Println("payment", payment.Status, payment.AmountText, payment.Metadata["order"])

	page := must(client.PaymentsAPI.ListPayments(ctx).Status("succeeded").Execute())
	isListed := false
	for _, it := range page.Data {
		isListed = isListed || it.Id == payment.Id
	}
	fmt.Println("list", page.Object, isListed)

	part := malipo.CreateRefundRequest{Amount: malipo.PtrInt64(4_000)}
	refund := must(client.RefundsAPI.CreateRefund(ctx, payment.Id).IdempotencyKey(newKey()).CreateRefundRequest(part).Execute())
	for refund.CompletedAt.Get() == nil {
		time.Sleep(200 * time.Millisecond)
		refund = must(client.RefundsAPI.GetRefund(ctx, refund.Id).Execute())
	}
	fmt.Println("refund", refund.Status, refund.AmountText, refund.Failure.Get() == nil)

	timeline := must(client.PaymentsAPI.GetPaymentTimeline(ctx, payment.Id).Execute())
	fmt.Println("timeline", timeline.Data[0].Sequence, timeline.Data[0].Action, timeline.HasMore)

	more := malipo.CreateRefundRequest{Amount: malipo.PtrInt64(9_000)}
	_, answer, err := client.RefundsAPI.CreateRefund(ctx, payment.Id).IdempotencyKey(newKey()).CreateRefundRequest(more).Execute()
	var refused *malipo.GenericOpenAPIError
	if errors.As(err, &refused) {
		fmt.Println("refused", answer.StatusCode, refused.Model().(malipo.Problem).Code)
	}
}
