// Events of a stream -> whole messages, which can be appended to the next request. The
// library of this repository (client/) has one too, with bounds on what it believes.
#ifndef SLUICE_EXAMPLES_COLLECTOR_H_
#define SLUICE_EXAMPLES_COLLECTOR_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "sluice/v1/gateway.grpc.pb.h"

// The answer so far. Takes every event of one stream, in order.
struct Collector {
  void Add(const sluice::v1::ChatEvent& event);

  // As the next request's history wants it: with reasoning, tool calls and states.
  sluice::v1::Message Message(int choice = 0) const;
  std::string Text(int choice = 0) const;

  // choice -> part -> Part
  std::map<int, std::map<int, sluice::v1::Part>> parts;
  std::map<int, sluice::v1::ChoiceEnd> finish;  // by choice
  std::optional<sluice::v1::Started> started;
  std::optional<sluice::v1::Usage> usage;
  std::optional<sluice::v1::End> end;
};

std::string TextOf(const sluice::v1::Message& message);

// Reads a stream to its end; throws CallFailed. Only a stream with its end record is an
// answer.
Collector Collect(grpc::ClientReader<sluice::v1::StreamChatResponse>& call,
                  const std::function<void(const std::string&)>& on_text = nullptr);

#endif  // SLUICE_EXAMPLES_COLLECTOR_H_
