// Collects two answers whole, and goes on with the first: go run ./collect [QUESTION]
package main

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
	pb "sluice.dev/gen/sluice/v1"
)

func described(part *pb.Part) string {
	switch kind := part.GetKind().(type) {
	case *pb.Part_Text:
		return "text " + kind.Text
	case *pb.Part_Reasoning:
		return "reasoning " + kind.Reasoning.GetText()
	case *pb.Part_Refusal:
		return "refusal " + kind.Refusal.GetText()
	case *pb.Part_ToolCall:
		return fmt.Sprintf("tool_call %s %s", kind.ToolCall.GetName(), kind.ToolCall.GetArgumentsJson())
	case *pb.Part_Media:
		media := kind.Media
		return fmt.Sprintf("media %s, %d bytes, %s", media.GetMimeType(), len(media.GetData()), media.GetTranscript())
	default:
		return "states alone"
	}
}

func printAnswer(answer *collector.Collector) {
	for _, choice := range answer.Choices() {
		finish := strings.TrimPrefix(answer.Finish[choice].GetFinishReason().String(), "FINISH_REASON_")
		fmt.Printf("choice %d: %s\n", choice, strings.ToLower(finish))
		for _, part := range answer.Message(choice).GetParts() {
			fmt.Printf("  %s (%d citations, %d states)\n", described(part), len(part.GetCitations()), len(part.GetStates()))
		}
	}
	if answer.Usage != nil {
		fmt.Printf("usage: %d in, %d out\n", answer.Usage.GetInputTokens(), answer.Usage.GetOutputTokens())
	}
}

func ask(client pb.GatewayClient, request *pb.ChatRequest, onText func(string)) (*collector.Collector, error) {
	ctx, cancel := common.Deadline()
	defer cancel()
	stream, err := client.StreamChat(ctx, request)
	if err != nil {
		return nil, err
	}
	return collector.Collect(stream, onText)
}

func run() error {
	client, closeAll, err := common.Connect()
	if err != nil {
		return err
	}
	defer closeAll()
	request := common.Ask(common.Question("Why is the sky blue?", 0))
	request.N = proto.Int32(2)
	request.StreamOptions = &pb.StreamOptions{AllowRestart: true}
	answer, err := ask(client, request, nil)
	if err != nil {
		return err
	}
	printAnswer(answer)

	// The next turn: the answer goes back whole.
	request.Messages = append(request.Messages, answer.Message(0), common.User("Go on."))
	request.N = nil
	answer, err = ask(client, request, common.Show)
	if err != nil {
		return err
	}
	fmt.Println()
	common.PrintEnd(answer.End, answer.Text(0))
	return nil
}

func main() { common.Run(run) }
