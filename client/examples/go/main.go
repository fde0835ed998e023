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

// collect reads a stream to its end. Without an error the end record is there.
func collect(stream pb.Gateway_StreamChatClient, onText func(string)) (string, *pb.End, error) {
	var text strings.Builder
	var end *pb.End
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if end == nil {
				return text.String(), nil, errors.New("no end record: the answer is incomplete")
			}
			return text.String(), end, nil
		}
		if err != nil {
			return text.String(), end, err
		}
		for _, event := range response.GetEvents() {
			switch kind := event.GetKind().(type) {
			case *pb.ChatEvent_Content:
				text.WriteString(kind.Content.GetText())
				onText(kind.Content.GetText())
			case *pb.ChatEvent_Continuation:
				if kind.Continuation.GetMode() == pb.ContinuationMode_CONTINUATION_MODE_RESTART {
					text.Reset()
					onText("\n--- cut; the answer begins anew ---\n")
				}
			case *pb.ChatEvent_End:
				end = kind.End
			}
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
	text, end, err := collect(stream, func(delta string) { fmt.Print(delta) })
	fmt.Println()
	if err != nil {
		return err
	}
	outcome := strings.ToLower(strings.TrimPrefix(end.GetOutcome().String(), "OUTCOME_"))
	fmt.Printf("end: %s, served by %s, %d attempts, %d characters\n",
		outcome, end.GetServedBy(), len(end.GetAttempts()), len([]rune(text)))
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
