// Gives an answer a bound on time: go run ./deadline SECONDS [QUESTION]
//
// The deadline travels with the call: the gateway plans its retries within it and ends
// the upstream's work when it is over.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
)

func run() error {
	if len(os.Args) < 2 {
		return errors.New("usage: deadline SECONDS [QUESTION]")
	}
	seconds, err := strconv.ParseFloat(os.Args[1], 64)
	if err != nil {
		return err
	}
	client, closeAll, err := common.Connect()
	if err != nil {
		return err
	}
	defer closeAll()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds*float64(time.Second)))
	defer cancel()
	stream, err := client.StreamChat(ctx, common.Ask(common.Question("Why is the sky blue?", 1)))
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
