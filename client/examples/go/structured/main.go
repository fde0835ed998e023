// Asks for JSON that follows a schema, whole: go run ./structured [QUESTION]
package main

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
	pb "sluice.dev/gen/sluice/v1"
)

var schema = &pb.JsonSchemaFormat{
	Name:   "weather",
	Strict: proto.Bool(true),
	SchemaJson: `{"type":"object","properties":{"city":{"type":"string"},"celsius":{"type":"integer"}},` +
		`"required":["city","celsius"],"additionalProperties":false}`,
}

type weather struct {
	City    string `json:"city"`
	Celsius int    `json:"celsius"`
}

func run() error {
	client, closeAll, err := common.Connect()
	if err != nil {
		return err
	}
	defer closeAll()
	request := common.Ask(common.Question("How warm is it in Paris?", 0))
	request.ResponseFormat = &pb.ResponseFormat{Kind: &pb.ResponseFormat_JsonSchema{JsonSchema: schema}}
	ctx, cancel := common.Deadline()
	defer cancel()
	// Chat: half a JSON document is of no use to a program.
	response, err := client.Chat(ctx, request)
	if err != nil {
		return err
	}
	choice := response.GetChoices()[0]
	refusal := ""
	for _, part := range choice.GetMessage().GetParts() {
		refusal += part.GetRefusal().GetText()
	}
	if refusal != "" {
		return fmt.Errorf("the model refused: %s", refusal)
	}
	if choice.GetFinishReason() != pb.FinishReason_FINISH_REASON_STOP {
		return fmt.Errorf("not whole: %s", choice.GetFinishReason())
	}
	text := collector.TextOf(choice.GetMessage())
	var answer weather
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return err
	}
	fmt.Printf("city: %s\ncelsius: %d\n", answer.City, answer.Celsius)
	common.PrintEnd(response.GetEnd(), text)
	return nil
}

func main() { common.Run(run) }
