// Lets the model call a function of ours until it answers: go run ./tools [QUESTION]
package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"sluice.dev/examples/collector"
	"sluice.dev/examples/common"
	pb "sluice.dev/gen/sluice/v1"
)

const maxRounds = 5

var getWeatherTool = &pb.Tool{
	Name:           "get_weather",
	Description:    "The weather in a city.",
	ParametersJson: `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`,
}

var celsius = map[string]int{"Paris": 21, "Oslo": 9}

func getWeather(argumentsJSON string) (string, error) {
	var arguments struct {
		City string `json:"city"`
	}
	if err := json.Unmarshal([]byte(argumentsJSON), &arguments); err != nil {
		return "", err
	}
	degrees, known := celsius[arguments.City]
	if !known {
		return "", errors.New("no such city")
	}
	return fmt.Sprintf(`{"celsius":%d}`, degrees), nil
}

// callTool: a tool that fails is a result too, the model reads it and goes another way.
func callTool(call *pb.ToolCall) *pb.ToolResult {
	text, err := "", errors.New("no such tool")
	if call.GetName() == "get_weather" {
		text, err = getWeather(call.GetArgumentsJson())
	}
	result := &pb.ToolResult{ToolCallId: call.GetId(), Text: text}
	failed := ""
	if err != nil {
		result.Text, result.IsError, failed = err.Error(), true, "error: "
	}
	fmt.Printf("tool %s %s -> %s%s\n", call.GetName(), call.GetArgumentsJson(), failed, result.GetText())
	return result
}

func ask(client pb.GatewayClient, request *pb.ChatRequest) (*collector.Collector, error) {
	ctx, cancel := common.Deadline()
	defer cancel()
	stream, err := client.StreamChat(ctx, request)
	if err != nil {
		return nil, err
	}
	return collector.Collect(stream, nil)
}

func run() error {
	client, closeAll, err := common.Connect()
	if err != nil {
		return err
	}
	defer closeAll()
	request := common.Ask(common.Question("What is the weather in Paris?", 0))
	request.Tools = []*pb.Tool{getWeatherTool}
	for round := 0; round < maxRounds; round++ {
		answer, err := ask(client, request)
		if err != nil {
			return err
		}
		message := answer.Message(0)
		if len(message.Parts) > 0 {
			// Whole, with its reasoning and states: the provider wants them back.
			request.Messages = append(request.Messages, message)
		}
		results := &pb.Message{Role: pb.Role_ROLE_TOOL}
		for _, part := range message.Parts {
			if call := part.GetToolCall(); call != nil {
				results.Parts = append(results.Parts, &pb.Part{Kind: &pb.Part_ToolResult{ToolResult: callTool(call)}})
			}
		}
		if len(results.Parts) == 0 {
			fmt.Println(answer.Text(0))
			common.PrintEnd(answer.End, answer.Text(0))
			return nil
		}
		request.Messages = append(request.Messages, results)
	}
	return fmt.Errorf("no answer after %d rounds of tools", maxRounds)
}

func main() { common.Run(run) }
