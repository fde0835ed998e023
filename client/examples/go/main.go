// Streams a chat through a Sluice gateway and collects the answer.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "example.com/chat/sluicev1"
)

func getenv(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// addDelta takes a step of one part of an answer.
func addDelta(part *pb.Part, event *pb.ChatEvent) {
	switch kind := event.GetKind().(type) {
	case *pb.ChatEvent_Content:
		part.Kind = &pb.Part_Text{Text: part.GetText() + kind.Content.GetText()}
	case *pb.ChatEvent_Reasoning:
		part.Kind = &pb.Part_Reasoning{Reasoning: &pb.Reasoning{Text: part.GetReasoning().GetText() + kind.Reasoning.GetText()}}
	case *pb.ChatEvent_Refusal:
		part.Kind = &pb.Part_Refusal{Refusal: &pb.Refusal{Text: part.GetRefusal().GetText() + kind.Refusal.GetText()}}
	case *pb.ChatEvent_ToolCallStart:
		part.Kind = &pb.Part_ToolCall{ToolCall: &pb.ToolCall{Id: kind.ToolCallStart.GetId(), Name: kind.ToolCallStart.GetName()}}
	case *pb.ChatEvent_ToolCallDelta:
		if call := part.GetToolCall(); call != nil {
			call.ArgumentsJson += kind.ToolCallDelta.GetArgumentsJson()
		}
	case *pb.ChatEvent_PartEnd:
		part.States = kind.PartEnd.GetStates()
	}
}

// answer collects the first choice of a stream. Deltas of several parts may
// interleave: each goes to its own.
type answer struct {
	parts []*pb.Part
	end   *pb.End
}

func (a *answer) add(event *pb.ChatEvent, onText func(string)) {
	switch kind := event.GetKind().(type) {
	case *pb.ChatEvent_Continuation:
		if kind.Continuation.GetMode() == pb.ContinuationMode_CONTINUATION_MODE_RESTART {
			a.parts = nil
			onText("\n--- cut; the answer begins anew ---\n")
		}
	case *pb.ChatEvent_End:
		a.end = kind.End
	case *pb.ChatEvent_Content, *pb.ChatEvent_Reasoning, *pb.ChatEvent_Refusal,
		*pb.ChatEvent_ToolCallStart, *pb.ChatEvent_ToolCallDelta, *pb.ChatEvent_PartEnd:
		if event.GetChoice() != 0 {
			return
		}
		for len(a.parts) <= int(event.GetPart()) {
			a.parts = append(a.parts, &pb.Part{})
		}
		addDelta(a.parts[event.GetPart()], event)
		onText(event.GetContent().GetText())
	}
}

// message is the answer as the next request's history wants it.
func (a *answer) message() *pb.Message {
	return &pb.Message{Role: pb.Role_ROLE_ASSISTANT, Parts: a.parts}
}

// collect reads a stream to its end. Without an error the end record is there.
func collect(stream pb.Gateway_StreamChatClient, onText func(string)) (*pb.Message, *pb.End, error) {
	var got answer
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if got.end == nil {
				return got.message(), nil, errors.New("no end record: the answer is incomplete")
			}
			return got.message(), got.end, nil
		}
		if err != nil {
			return got.message(), got.end, err
		}
		for _, event := range response.GetEvents() {
			got.add(event, onText)
		}
	}
}

func run(question string) error {
	connection, err := grpc.Dial(getenv("SLUICE_SERVER", "127.0.0.1:8443"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stream, err := pb.NewGatewayClient(connection).StreamChat(ctx, &pb.ChatRequest{
		Model:    getenv("SLUICE_MODEL", "chat"),
		Messages: []*pb.Message{{Role: pb.Role_ROLE_USER, Text: question}},
		// A cut stream may begin anew; without this it fails.
		StreamOptions: &pb.StreamOptions{AllowRestart: true},
	})
	if err != nil {
		return err
	}
	message, end, err := collect(stream, func(delta string) { fmt.Print(delta) })
	fmt.Println()
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, part := range message.GetParts() {
		text.WriteString(part.GetText())
	}
	outcome := strings.ToLower(strings.TrimPrefix(end.GetOutcome().String(), "OUTCOME_"))
	fmt.Printf("end: %s, served by %s, %d attempts, %d characters\n",
		outcome, end.GetServedBy(), len(end.GetAttempts()), len([]rune(text.String())))
	if end.GetOutcome() == pb.Outcome_OUTCOME_FALLBACK {
		fmt.Printf("a fallback, because: %s\n", end.GetError().GetMessage())
	}
	return nil
}

func main() {
	question := strings.Join(os.Args[1:], " ")
	if question == "" {
		question = "Why is the sky blue?"
	}
	if err := run(question); err != nil {
		failure := status.Convert(err)
		fmt.Fprintf(os.Stderr, "%s: %s\n", failure.Code(), failure.Message())
		os.Exit(1)
	}
}
