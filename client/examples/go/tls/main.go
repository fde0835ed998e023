// Speaks TLS: SLUICE_CA=ca.pem go run ./tls [QUESTION]
package main

import (
	"fmt"
	"os"

	"google.golang.org/grpc/credentials"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
)

func secure() (credentials.TransportCredentials, error) {
	if path := os.Getenv("SLUICE_CA"); path != "" {
		return credentials.NewClientTLSFromFile(path, "")
	}
	return credentials.NewTLS(nil), nil // The system's roots.
}

func run() error {
	secret, err := secure()
	if err != nil {
		return err
	}
	client, closeAll, err := common.ConnectWith(secret)
	if err != nil {
		return err
	}
	defer closeAll()
	ctx, cancel := common.Deadline()
	defer cancel()
	stream, err := client.StreamChat(ctx, common.Ask(common.Question("Why is the sky blue?", 0)))
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
