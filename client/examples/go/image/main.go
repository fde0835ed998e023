// Asks about an image: go run ./image FILE [QUESTION]
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
	pb "sluice.dev/gen/sluice/v1"
)

var types = map[string]string{
	".gif": "image/gif", ".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp",
}

func run() error {
	if len(os.Args) < 2 {
		return errors.New("usage: image FILE [QUESTION]")
	}
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	client, closeAll, err := common.Connect()
	if err != nil {
		return err
	}
	defer closeAll()
	// An image on the web: &pb.Media_Url{Url: "https://..."} in place of data.
	image := &pb.Media{MimeType: types[filepath.Ext(os.Args[1])], Source: &pb.Media_Data{Data: data}}
	request := common.Ask("")
	request.Messages[0].Parts = []*pb.Part{
		{Kind: &pb.Part_Text{Text: common.Question("What is in this image?", 1)}},
		{Kind: &pb.Part_Media{Media: image}},
	}
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
