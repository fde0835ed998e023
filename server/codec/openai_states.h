// What providers of the OpenAI format asked to have back with a turn
// (ProviderState of issuer "openai"): the members that stand beside ours in a
// message or a tool call. Part of the request's encoding; belongs to one
// object that is written.
#ifndef SLUICE_SERVER_CODEC_OPENAI_STATES_H_
#define SLUICE_SERVER_CODEC_OPENAI_STATES_H_

#include <string>
#include <string_view>
#include <vector>

#include "server/codec/dialect.h"
#include "server/codec/json_writer.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// Tells under which key a part's reasoning came, where that is not
// reasoning_content. Never sent itself.
inline constexpr std::string_view kReasoningKeyState = "sluice_reasoning_key";
// Its value for reasoning that came as a part of `content`, as Mistral's does …
inline constexpr std::string_view kContentPartsForm = "content_parts";
// … and for reasoning whose text is in a state of its own already.
inline constexpr std::string_view kReasoningDetailsForm = "reasoning_details";

// Sluice writes these itself; no state says otherwise.
bool IsOurOpenAiMember(std::string_view key);
// Where providers put reasoning.
bool IsOpenAiReasoningMember(std::string_view key);

class OpenAiStates {
 public:
  explicit OpenAiStates(const Dialect& dialect) : dialect_(dialect) {}

  // The states of a part; those of other issuers say nothing here. Lists under
  // the same key are joined, of other values the last wins.
  void Add(const v1::Part& part);

  bool empty() const { return members_.empty(); }
  bool Has(std::string_view key) const;
  // The value of kReasoningKeyState that came last; empty: none.
  const std::string& reasoning_key() const { return reasoning_key_; }

  // The members, into the object that is open.
  void Write(JsonWriter& writer) const;

 private:
  struct Member {
    std::string key;
    std::string json;
  };

  void AddBytes(const std::string& value);
  void AddMember(std::string key, std::string json);

  const Dialect& dialect_;
  std::vector<Member> members_;
  std::string reasoning_key_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_STATES_H_
