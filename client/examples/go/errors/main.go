// Decodes why a call failed: go run ./errors [QUESTION]
package main

import (
	"fmt"
	"os"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
	pb "sluice.dev/gen/sluice/v1"
)

func printDetail(detail any) {
	switch detail := detail.(type) {
	case *errdetails.ErrorInfo:
		fmt.Printf("reason: %s\n", detail.GetReason())
	case *errdetails.RetryInfo:
		// When to try again; without it, do not.
		fmt.Printf("retry after: %d ms\n", detail.GetRetryDelay().AsDuration().Milliseconds())
	case *pb.AttemptList:
		for _, attempt := range detail.GetAttempts() {
			fmt.Printf("attempt %s/%s: %s, %s, HTTP %d, %s\n", attempt.GetUpstream(), attempt.GetEndpoint(),
				attempt.GetOutcome(), attempt.GetErrorClass(), attempt.GetHttpStatus(), attempt.GetErrorMessage())
		}
		fmt.Printf("attempts omitted: %d\n", detail.GetOmitted())
	}
}

// printFailure: Proto() is the google.rpc.Status of the details; where none came, grpc-go
// makes one of code and message.
func printFailure(failure *status.Status) {
	fmt.Printf("status: %s\n", common.CodeName(failure.Code()))
	fmt.Printf("message: %s\n", failure.Message())
	if len(failure.Details()) == 0 {
		return // The gateway was not reached.
	}
	fmt.Printf("details: %s\n", failure.Proto().GetMessage())
	for _, detail := range failure.Details() {
		printDetail(detail)
	}
}

func ask(client pb.GatewayClient) (*collector.Collector, error) {
	ctx, cancel := common.Deadline()
	defer cancel()
	stream, err := client.StreamChat(ctx, common.Ask(common.Question("Why is the sky blue?", 0)))
	if err != nil {
		return nil, err
	}
	return collector.Collect(stream, common.Show)
}

func run() error {
	client, closeAll, err := common.Connect()
	if err != nil {
		return err
	}
	defer closeAll()
	answer, err := ask(client)
	if failure, ok := status.FromError(err); err != nil && ok {
		printFailure(failure)
		os.Exit(1)
	}
	if err != nil {
		return err
	}
	fmt.Println()
	common.PrintEnd(answer.End, answer.Text(0))
	return nil
}

func main() { common.Run(run) }
