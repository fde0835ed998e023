// Sends and reads metadata: SLUICE_TENANT=name go run ./metadata KEY [QUESTION]
//
// The same request under the same idempotency key is answered once: run it twice.
package main

import (
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc/metadata"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
	pb "sluice.dev/gen/sluice/v1"
)

// callID is in the initial metadata; of a call that failed before content in the
// trailers. It names the call in the gateway's log: keep it with what you log.
func callID(stream pb.Gateway_StreamChatClient) string {
	header, _ := stream.Header()
	for _, received := range []metadata.MD{header, stream.Trailer()} {
		if ids := received.Get("sluice-call-id"); len(ids) > 0 {
			return ids[0]
		}
	}
	return ""
}

func run() error {
	if len(os.Args) < 2 {
		return errors.New("usage: metadata KEY [QUESTION]")
	}
	client, closeAll, err := common.Connect()
	if err != nil {
		return err
	}
	defer closeAll()
	ctx, cancel := common.Deadline()
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "idempotency-key", os.Args[1],
		"sluice-tenant", common.Getenv("SLUICE_TENANT", "examples"))
	stream, err := client.StreamChat(ctx, common.Ask(common.Question("Why is the sky blue?", 1)))
	if err != nil {
		return err
	}
	answer, err := collector.Collect(stream, common.Show)
	fmt.Printf("\ncall id: %s\n", callID(stream))
	if err != nil {
		return err
	}
	common.PrintEnd(answer.End, answer.Text(0))
	return nil
}

func main() { common.Run(run) }
