// Package common has what the programs beside it share: where the gateway is, and
// how they end.
package common

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "sluice.dev/gen/sluice/v1"
)

// Getenv is the variable's value, or otherwise.
func Getenv(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// Connect gives a client without TLS; the tls program has one with.
func Connect() (pb.GatewayClient, func(), error) {
	return ConnectWith(insecure.NewCredentials())
}

// ConnectWith gives a client, and what closes its connection.
func ConnectWith(secret credentials.TransportCredentials) (pb.GatewayClient, func(), error) {
	connection, err := grpc.NewClient(Getenv("SLUICE_SERVER", "127.0.0.1:8443"), grpc.WithTransportCredentials(secret))
	if err != nil {
		return nil, nil, err
	}
	return pb.NewGatewayClient(connection), func() { connection.Close() }, nil
}

// Deadline covers retries and failover too, and reaches the upstream. Never go
// without. The cancel function ends the call wherever it is left.
func Deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

// Question is the program's arguments, after the first skip.
func Question(otherwise string, skip int) string {
	if len(os.Args) <= 1+skip {
		return otherwise
	}
	return strings.Join(os.Args[1+skip:], " ")
}

// User is a message of the user's.
func User(text string) *pb.Message {
	return &pb.Message{Role: pb.Role_ROLE_USER, Text: text}
}

// Ask is a request of one question.
func Ask(question string) *pb.ChatRequest {
	return &pb.ChatRequest{Model: Getenv("SLUICE_MODEL", "chat"), Messages: []*pb.Message{User(question)}}
}

// Show prints text as it comes.
func Show(text string) { fmt.Print(text) }

// PrintEnd prints the record of a call.
func PrintEnd(end *pb.End, text string) {
	outcome := strings.ToLower(strings.TrimPrefix(end.GetOutcome().String(), "OUTCOME_"))
	fmt.Printf("end: %s, served by %s, %d attempts, %d characters\n",
		outcome, end.GetServedBy(), len(end.GetAttempts()), utf8.RuneCountInString(text))
	if end.GetOutcome() == pb.Outcome_OUTCOME_FALLBACK {
		fmt.Printf("a fallback, because: %s\n", end.GetError().GetMessage())
	}
}

// CodeName is a code as gRPC's documents write it: UNAVAILABLE.
func CodeName(c codes.Code) string { return code.Code(c).String() }

// Run runs a program; its failure is one line and exit status 1.
func Run(program func() error) {
	err := program()
	if err == nil {
		return
	}
	if failure, ok := status.FromError(err); ok {
		fmt.Fprintf(os.Stderr, "%s: %s\n", CodeName(failure.Code()), failure.Message())
	} else {
		fmt.Fprintf(os.Stderr, "error: %s\n", err)
	}
	os.Exit(1)
}
