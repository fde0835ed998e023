// The provider's own fields of an answer as kExtras events. Where they were not
// asked for only media come, and what there is where the answer has nothing
// else. Belongs to one OpenAiAnswer.
#ifndef SLUICE_SERVER_CODEC_OPENAI_ANSWER_EXTRAS_H_
#define SLUICE_SERVER_CODEC_OPENAI_ANSWER_EXTRAS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/codec/openai_delta.h"

namespace sluice {

class OpenAiAnswerExtras {
 public:
  explicit OpenAiAnswerExtras(bool wanted) : wanted_(wanted) {}

  // `has_content`: the answer has something else to show.
  void AddOfAnswer(const std::vector<OpenAiMember>& members, bool has_content, StreamEventHandler& handler);
  void AddOfChoice(int choice, const std::vector<OpenAiMember>& members, bool has_content,
                   StreamEventHandler& handler);
  // Nothing more comes: tells what was held back, where there is nothing else.
  void End(bool has_content, StreamEventHandler& handler);

 private:
  struct Held {
    int choice;
    int part;
    std::string key;
    std::string json;
  };

  void Add(int choice, int part, const OpenAiMember& member, bool has_content, StreamEventHandler& handler);
  // True the first time that a field says this.
  bool IsNews(int choice, int part, const OpenAiMember& member);

  const bool wanted_;
  std::vector<Held> held_;
  size_t held_bytes_ = 0;
  // Of what was told: the field, and what it said last.
  std::vector<std::pair<uint64_t, uint64_t>> told_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_ANSWER_EXTRAS_H_
