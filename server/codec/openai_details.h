// OpenRouter's reasoning_details of one answer, joined over its chunks, as they
// have to go back with the next request. One for each choice that has some.
#ifndef SLUICE_SERVER_CODEC_OPENAI_DETAILS_H_
#define SLUICE_SERVER_CODEC_OPENAI_DETAILS_H_

#include <string>
#include <utility>
#include <vector>

#include "server/codec/openai_delta.h"

namespace sluice {

class OpenAiDetails {
 public:
  explicit OpenAiDetails(size_t max_bytes) : max_bytes_(max_bytes) {}

  // More of the newest element where type and members agree, else a new one.
  void Add(const OpenAiDetail& detail);

  // A JSON list; empty where there is none, or where it grew over the bound: half
  // of a signature is worse than none.
  std::string Json() const;

 private:
  struct Element {
    std::string type;
    std::string text;  // raw
    std::vector<std::pair<std::string, std::string>> members;
  };

  static bool Continues(const OpenAiDetail& detail, const Element& element);

  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::vector<Element> elements_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_DETAILS_H_
