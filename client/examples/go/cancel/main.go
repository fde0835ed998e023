// Ends calls early, in both ways: go run ./cancel [QUESTION]
//
// Leaving the loop tells the server nothing: the model writes on, and somebody pays,
// until the context is cancelled. So: a context for each call, and defer cancel().
package main

import (
	"fmt"

	"google.golang.org/grpc/status"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
	pb "sluice.dev/gen/sluice/v1"
)

// As a stop button would: the loop goes on until the status comes.
func cancelledFromOutside(client pb.GatewayClient, request *pb.ChatRequest) error {
	ctx, cancel := common.Deadline()
	defer cancel()
	stream, err := client.StreamChat(ctx, request)
	if err != nil {
		return err
	}
	shown := ""
	_, err = collector.Collect(stream, func(text string) {
		shown = text
		cancel() // From any goroutine.
	})
	fmt.Printf("cancelled after %q: %s\n", shown, common.CodeName(status.Code(err)))
	return nil
}

func leavesTheLoop(client pb.GatewayClient, request *pb.ChatRequest) error {
	ctx, cancel := common.Deadline()
	defer cancel() // Of a call that has ended: nothing.
	stream, err := client.StreamChat(ctx, request)
	if err != nil {
		return err
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		text := ""
		for _, event := range response.GetEvents() {
			text += event.GetContent().GetText()
		}
		if text != "" {
			fmt.Printf("left the loop after %q\n", text)
			return nil
		}
	}
}

func run() error {
	client, closeAll, err := common.Connect()
	if err != nil {
		return err
	}
	defer closeAll()
	request := common.Ask(common.Question("Why is the sky blue?", 0))
	for _, way := range []func(pb.GatewayClient, *pb.ChatRequest) error{cancelledFromOutside, leavesTheLoop} {
		if err := way(client, request); err != nil {
			return err
		}
	}
	// Only the calls are over: the connection goes on.
	ctx, cancel := common.Deadline()
	defer cancel()
	stream, err := client.StreamChat(ctx, request)
	if err != nil {
		return err
	}
	answer, err := collector.Collect(stream, common.Show)
	if err != nil {
		return err
	}
	fmt.Println()
	common.PrintEnd(answer.End, answer.Text(0))
	return nil
}

func main() { common.Run(run) }
