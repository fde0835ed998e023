// Package collector puts the events of a stream together to whole messages, which can
// be appended to the next request.
package collector

import (
	"errors"
	"io"
	"sort"
	"strings"

	pb "sluice.dev/gen/sluice/v1"
)

// Collector is the answer so far. It takes every event of one stream, in order.
type Collector struct {
	Started *pb.Started
	Usage   *pb.Usage
	End     *pb.End
	Finish  map[int32]*pb.ChoiceEnd // by choice

	parts map[int32]map[int32]*pb.Part // by choice and part
}

// Add takes the next event.
func (c *Collector) Add(event *pb.ChatEvent) {
	switch kind := event.GetKind().(type) {
	case *pb.ChatEvent_Started:
		c.Started = kind.Started
	case *pb.ChatEvent_ChoiceEnd:
		if c.Finish == nil {
			c.Finish = map[int32]*pb.ChoiceEnd{}
		}
		c.Finish[event.GetChoice()] = kind.ChoiceEnd
	case *pb.ChatEvent_Usage:
		c.Usage = kind.Usage // Replaces; it is never added up.
	case *pb.ChatEvent_End:
		c.End = kind.End
	case *pb.ChatEvent_Continuation:
		if kind.Continuation.GetMode() == pb.ContinuationMode_CONTINUATION_MODE_RESTART {
			*c = Collector{} // What was shown is void.
		}
	case *pb.ChatEvent_Content, *pb.ChatEvent_Reasoning, *pb.ChatEvent_Refusal, *pb.ChatEvent_ToolCallStart,
		*pb.ChatEvent_ToolCallDelta, *pb.ChatEvent_Media, *pb.ChatEvent_Citation, *pb.ChatEvent_PartEnd:
		addToPart(c.part(event.GetChoice(), event.GetPart()), event)
	}
	// Kinds that this program does not know are ignored.
}

// part: parts may be open side by side, each delta goes to its own.
func (c *Collector) part(choice, number int32) *pb.Part {
	if c.parts == nil {
		c.parts = map[int32]map[int32]*pb.Part{}
	}
	if c.parts[choice] == nil {
		c.parts[choice] = map[int32]*pb.Part{}
	}
	if c.parts[choice][number] == nil {
		c.parts[choice][number] = &pb.Part{}
	}
	return c.parts[choice][number]
}

func addToPart(part *pb.Part, event *pb.ChatEvent) {
	switch kind := event.GetKind().(type) {
	case *pb.ChatEvent_Content:
		part.Kind = &pb.Part_Text{Text: part.GetText() + kind.Content.GetText()}
	case *pb.ChatEvent_Reasoning:
		text := part.GetReasoning().GetText() + kind.Reasoning.GetText()
		part.Kind = &pb.Part_Reasoning{Reasoning: &pb.Reasoning{Text: text}}
	case *pb.ChatEvent_Refusal:
		text := part.GetRefusal().GetText() + kind.Refusal.GetText()
		part.Kind = &pb.Part_Refusal{Refusal: &pb.Refusal{Text: text}}
	case *pb.ChatEvent_ToolCallStart:
		start := kind.ToolCallStart
		part.Kind = &pb.Part_ToolCall{ToolCall: &pb.ToolCall{Id: start.GetId(), Name: start.GetName()}}
	case *pb.ChatEvent_ToolCallDelta:
		if call := part.GetToolCall(); call != nil {
			call.ArgumentsJson += kind.ToolCallDelta.GetArgumentsJson()
		}
	case *pb.ChatEvent_Media:
		addMedia(part, kind.Media)
	case *pb.ChatEvent_Citation:
		part.Citations = append(part.Citations, kind.Citation)
	case *pb.ChatEvent_PartEnd:
		part.States = append(part.States, kind.PartEnd.GetStates()...)
	}
}

func addMedia(part *pb.Part, delta *pb.MediaDelta) {
	media := part.GetMedia()
	if media == nil {
		media = &pb.Media{}
		part.Kind = &pb.Part_Media{Media: media}
	}
	if delta.GetMimeType() != "" {
		media.MimeType = delta.GetMimeType()
	}
	media.Source = &pb.Media_Data{Data: append(media.GetData(), delta.GetData()...)}
	media.Transcript += delta.GetTranscript()
}

// Choices are the numbers of the answers, in order.
func (c *Collector) Choices() []int32 { return inOrder(c.parts) }

// Message is an answer as the next request's history wants it: with reasoning, tool
// calls and states.
func (c *Collector) Message(choice int32) *pb.Message {
	message := &pb.Message{Role: pb.Role_ROLE_ASSISTANT}
	for _, number := range inOrder(c.parts[choice]) {
		part := c.parts[choice][number]
		// A citation alone makes no part.
		if part.Kind != nil || len(part.States) > 0 {
			message.Parts = append(message.Parts, part)
		}
	}
	return message
}

// Text is the text of an answer.
func (c *Collector) Text(choice int32) string { return TextOf(c.Message(choice)) }

// TextOf is the text of a message.
func TextOf(message *pb.Message) string {
	var text strings.Builder
	for _, part := range message.GetParts() {
		text.WriteString(part.GetText())
	}
	return text.String()
}

func inOrder[V any](byNumber map[int32]V) []int32 {
	numbers := make([]int32, 0, len(byNumber))
	for number := range byNumber {
		numbers = append(numbers, number)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	return numbers
}

// Collect reads a stream to its end. Only a stream with its end record is an answer.
// onText may be nil.
func Collect(stream pb.Gateway_StreamChatClient, onText func(string)) (*Collector, error) {
	collector := &Collector{}
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if collector.End == nil {
				return nil, errors.New("no end record: the answer is incomplete")
			}
			return collector, nil
		}
		if err != nil {
			return nil, err
		}
		for _, event := range response.GetEvents() {
			collector.Add(event)
			if onText != nil {
				show(event, onText)
			}
		}
	}
}

func show(event *pb.ChatEvent, onText func(string)) {
	if event.GetContent() != nil && event.GetChoice() == 0 {
		onText(event.GetContent().GetText())
	}
	if event.GetContinuation().GetMode() == pb.ContinuationMode_CONTINUATION_MODE_RESTART {
		onText("\n--- cut; the answer begins anew ---\n")
	}
}
