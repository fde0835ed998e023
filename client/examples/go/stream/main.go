// Streams an answer: go run ./stream [QUESTION]
package main

import (
	"fmt"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
	pb "sluice.dev/gen/sluice/v1"
)

func main() {
	common.Run(func() error {
		client, closeAll, err := common.Connect()
		if err != nil {
			return err
		}
		defer closeAll()
		request := common.Ask(common.Question("Why is the sky blue?", 0))
		// A cut stream may begin anew; without this it fails.
		request.StreamOptions = &pb.StreamOptions{AllowRestart: true}
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
	})
}
