// The text of a message that has one. Pure.
#ifndef SLUICE_SERVER_SERVICE_MESSAGE_TEXT_H_
#define SLUICE_SERVER_SERVICE_MESSAGE_TEXT_H_

#include <string>

#include "sluice/v1/gateway.pb.h"

namespace sluice {

// What the one text part among a message's parts says; empty where there is none,
// or more than one.
inline const std::string& OnlyTextOf(const v1::Message& message) {
  static const std::string* const kNone = new std::string();
  const std::string* text = kNone;
  for (const v1::Part& part : message.parts()) {
    if (!part.has_text()) continue;
    if (text != kNone) return *kNone;
    text = &part.text();
  }
  return *text;
}

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_MESSAGE_TEXT_H_
